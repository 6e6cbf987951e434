# SPDX-License-Identifier: Apache-2.0
"""One API document out of five services' code, and what is made from it for people and programs."""
