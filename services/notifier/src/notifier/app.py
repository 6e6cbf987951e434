# SPDX-License-Identifier: Apache-2.0
"""Notifier's front door: wiring only."""

from datetime import timedelta

from apiflask import APIFlask

from common.access import Guard
from common.app import create_service
from common.db import Database
from common.dead_letters import dead_letter_routes
from common.replay import replay_routes
from notifier.config import Config
from notifier.routes import internal, v1


def create_app(
    config: Config | None = None, *, database: Database | None = None, guard: Guard | None = None
) -> APIFlask:
    config = config or Config.load()
    # What is older has been forgotten with its mails, and would be mailed again; a day to spare for
    # an event that waits for a worker.
    kept = timedelta(days=config.mail_keep_days - 1)
    blueprints = [
        v1.blueprint,
        internal.blueprint,
        dead_letter_routes("notifier", config),
        replay_routes("notifier", config, kept=kept),
    ]
    return create_service("notifier", config, blueprints, database=database, guard=guard)
