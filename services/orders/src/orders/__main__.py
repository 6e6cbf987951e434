# SPDX-License-Identifier: Apache-2.0
"""Orders' roles: web, worker, migrate."""

from common.roles import service_roles
from orders.config import Config
from orders.worker import main

cli = service_roles("orders", Config, main)

if __name__ == "__main__":
    cli()
