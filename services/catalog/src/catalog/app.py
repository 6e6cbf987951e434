# SPDX-License-Identifier: Apache-2.0
"""Catalog's front door: wiring only."""

from collections.abc import Sequence

from apiflask import APIFlask

from catalog.commands.reservations import Asked, Reserved, reserve_stock
from catalog.config import Config
from catalog.page_cache import PageCache
from catalog.page_rows import PageRows
from catalog.routes import (
    audit,
    internal,
    pictures,
    s0_simple_project,
    s1_marketplace,
    s2_catalog,
    s3_online_store,
    s4_mithril,
    v1,
)
from catalog.routes.open_store import OpenStore
from common.access import Guard, connect_redis
from common.app import create_service
from common.batching import Batcher
from common.db import Database
from common.dead_letters import dead_letter_routes
from common.http import Client
from common.replay import replay_routes
from common.tokens import ServiceTokens


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    blueprints = [
        v1.blueprint,
        pictures.blueprint,
        s0_simple_project.blueprint,
        s1_marketplace.blueprint,
        s2_catalog.blueprint,
        s3_online_store.blueprint,
        s4_mithril.blueprint,
        internal.blueprint,
        audit.blueprint,
        dead_letter_routes("catalog", config),
        replay_routes("catalog", config),
    ]
    app = create_service(
        "catalog",
        config,
        blueprints,
        database=database,
        guard=guard,
        strangers_write=config.open_store,
    )
    app.extensions["config"] = config
    app.extensions["reservations"] = reservations(app.extensions["database"])
    app.extensions["page_rows"] = {
        found: PageRows(found)
        for name in ("database", "replica")
        if (found := app.extensions[name]) is not None
    }
    app.extensions["page_cache"] = PageCache(connect_redis(config.redis_url.get_secret_value()))
    app.extensions["open_store"] = _open_store(config) if config.open_store else None
    return app


def reservations(database: Database) -> Batcher[Asked, Reserved]:
    """The reserve commands that wait at the same time share a transaction."""

    def reserve(asked: Sequence[Asked]) -> list[Reserved]:
        return database.run(reserve_stock, asked)

    return Batcher("catalog_reserve", reserve, gathers=True)


def _open_store(config: Config) -> OpenStore:
    tokens = ServiceTokens(config.service_token_key.get_secret_value(), "catalog")
    return OpenStore(Client(config.auth_url, tokens, read_seconds=1.0))
