# SPDX-License-Identifier: Apache-2.0
"""How fast the shop is, as ratios of two sides measured side by side; run by ``make bench``."""
