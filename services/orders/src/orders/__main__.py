# SPDX-License-Identifier: Apache-2.0
"""Orders' roles: web, worker, migrate; and its repair."""

from common.repair_role import add_repair
from common.roles import service_roles
from orders.config import Config
from orders.repair import repair
from orders.worker import main

cli = service_roles("orders", Config, main)
add_repair("orders", cli, Config, repair)

if __name__ == "__main__":
    cli()
