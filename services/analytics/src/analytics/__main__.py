# SPDX-License-Identifier: Apache-2.0
"""Analytics' roles: web, worker, migrate; and its repair."""

from common.repair_role import add_repair
from common.roles import service_roles

cli = service_roles("analytics")
add_repair("analytics", cli, "analytics.shop_repair")

if __name__ == "__main__":
    cli()
