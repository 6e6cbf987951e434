# SPDX-License-Identifier: Apache-2.0
"""Orders' roles: web, worker, migrate; and its repair."""

from common.repair_role import add_repair
from common.roles import service_roles
from orders.config import Config

cli = service_roles("orders", Config)
add_repair("orders", cli, Config, "orders.repair")

if __name__ == "__main__":
    cli()
