# SPDX-License-Identifier: Apache-2.0
"""Catalog's roles: web, worker, migrate."""

from catalog.config import Config
from catalog.worker import main
from common.roles import service_roles

cli = service_roles("catalog", Config, main)

if __name__ == "__main__":
    cli()
