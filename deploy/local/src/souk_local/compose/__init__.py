# SPDX-License-Identifier: Apache-2.0
"""The stack in containers: ``deploy/compose.yaml`` with its secrets, up, down and purged."""
