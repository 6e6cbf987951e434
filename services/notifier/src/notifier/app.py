# SPDX-License-Identifier: Apache-2.0
"""Notifier's front door: wiring only."""

from apiflask import APIFlask

from common.access import Guard
from common.app import create_service
from common.db import Database
from notifier.config import Config
from notifier.routes import v1


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    return create_service("notifier", config, [v1.blueprint], database=database, guard=guard)
