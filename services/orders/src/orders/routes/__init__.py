# SPDX-License-Identifier: Apache-2.0
"""HTTP in, one command or query, HTTP out."""
