# SPDX-License-Identifier: Apache-2.0
"""Analytics' roles: web, worker, migrate."""

from analytics.config import Config
from analytics.worker import main
from common.roles import service_roles

cli = service_roles("analytics", Config, main)

if __name__ == "__main__":
    cli()
