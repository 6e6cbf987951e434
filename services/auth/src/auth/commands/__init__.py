# SPDX-License-Identifier: Apache-2.0
"""State changes: one function is one transaction, and none commits by itself."""
