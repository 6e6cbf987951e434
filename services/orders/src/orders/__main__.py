# SPDX-License-Identifier: Apache-2.0
"""Orders' roles: web, worker, migrate; and its repair."""

from common.repair_role import add_repair
from common.roles import service_roles

cli = service_roles("orders")
add_repair("orders", cli, "orders.repair")

if __name__ == "__main__":
    cli()
