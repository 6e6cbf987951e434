# SPDX-License-Identifier: Apache-2.0
"""Catalog's roles: web, worker, migrate; and its repair."""

from common.repair_role import add_repair
from common.roles import service_roles

cli = service_roles("catalog")
add_repair("catalog", cli, "catalog.repair")

if __name__ == "__main__":
    cli()
