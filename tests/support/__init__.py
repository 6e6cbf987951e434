# SPDX-License-Identifier: Apache-2.0
"""What the rooms of tests share: a client of the shop, and a rush of buyers."""
