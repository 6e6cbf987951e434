# SPDX-License-Identifier: Apache-2.0
"""Catalog's front door: wiring only."""

from apiflask import APIFlask

from catalog.config import Config
from catalog.routes import internal, v1
from common.access import Guard
from common.app import create_service
from common.db import Database


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    blueprints = [v1.blueprint, internal.blueprint]
    app = create_service("catalog", config, blueprints, database=database, guard=guard)
    app.extensions["config"] = config
    return app
