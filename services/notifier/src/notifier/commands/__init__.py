# SPDX-License-Identifier: Apache-2.0
"""State changes: one function is one transaction, and sends nothing."""
