# SPDX-License-Identifier: Apache-2.0
"""Notifier's front door: wiring only."""

from apiflask import APIFlask

from common.access import Guard
from common.app import create_service
from common.db import Database
from common.dead_letters import dead_letter_routes
from notifier.config import Config
from notifier.routes import internal, v1


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    blueprints = [v1.blueprint, internal.blueprint]
    return create_service("notifier", config, blueprints, database=database, guard=guard)
