# SPDX-License-Identifier: Apache-2.0
"""Dependencies that are down, slow or hanging. A package, so that its house ends with its tests."""
