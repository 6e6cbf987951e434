# SPDX-License-Identifier: Apache-2.0
"""What ``doctor`` looks at: one module for each thing that the shop depends on."""
