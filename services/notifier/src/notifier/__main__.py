# SPDX-License-Identifier: Apache-2.0
"""Notifier's roles: web, worker, migrate."""

from common.roles import service_roles
from notifier.config import Config

cli = service_roles("notifier", Config)

if __name__ == "__main__":
    cli()
