# SPDX-License-Identifier: Apache-2.0
"""Catalog's roles: web, worker, migrate; and its repair."""

from catalog.config import Config
from catalog.repair import repair
from catalog.worker import main
from common.repair_role import add_repair
from common.roles import service_roles

cli = service_roles("catalog", Config, main)
add_repair("catalog", cli, Config, repair)

if __name__ == "__main__":
    cli()
