# SPDX-License-Identifier: Apache-2.0
"""Analytics' front door: wiring only."""

from apiflask import APIFlask

from analytics.audit import Auditor
from analytics.config import Config
from analytics.dead_letters import DeadLetterOffice
from analytics.replay import Consumers
from analytics.routes import audit, dead_letters, replay, timeline, v1
from analytics.timeline import Mails
from common.access import Guard
from common.app import create_service
from common.db import Database


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    database = database or Database.for_requests(config)
    blueprints = [
        v1.blueprint,
        audit.blueprint,
        dead_letters.blueprint,
        timeline.blueprint,
        replay.blueprint,
    ]
    app = create_service("analytics", config, blueprints, database=database, guard=guard)
    app.extensions["config"] = config
    app.extensions["auditor"] = Auditor.connect(config, database)
    app.extensions["dead_letters"] = DeadLetterOffice.connect(config)
    app.extensions["consumers"] = Consumers.connect(config, database)
    app.extensions["mails"] = Mails.connect(config)
    return app
