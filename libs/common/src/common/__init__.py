# SPDX-License-Identifier: Apache-2.0
"""Mechanism that the services share. No shop noun lives here but in the event contracts."""
