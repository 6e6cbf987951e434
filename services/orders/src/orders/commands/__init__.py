# SPDX-License-Identifier: Apache-2.0
"""State changes: one function is one transaction, and its caller commits it.

Locks are taken in this order: an order, the key that it answers, its customer's cart, the cart's
lines. Of several of a kind, the lowest first.
"""
