# SPDX-License-Identifier: Apache-2.0
"""Notifier's roles: web, worker, migrate."""

from common.roles import service_roles

cli = service_roles("notifier")

if __name__ == "__main__":
    cli()
