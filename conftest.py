# SPDX-License-Identifier: Apache-2.0
"""The fixtures of every room of tests."""

pytest_plugins = ["common.testing.fixtures", "support.replication"]
