# SPDX-License-Identifier: Apache-2.0
"""Catalog's roles: web, worker, migrate; and its repair."""

from catalog.config import Config
from common.repair_role import add_repair
from common.roles import service_roles

cli = service_roles("catalog", Config)
add_repair("catalog", cli, Config, "catalog.repair")

if __name__ == "__main__":
    cli()
