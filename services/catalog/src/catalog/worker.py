# SPDX-License-Identifier: Apache-2.0
"""Catalog's back door: events out, events in, and what is due. Wiring only."""

from functools import partial

from catalog.commands.overdue import IS_RESERVED, ask_about_overdue
from catalog.config import Config
from catalog.handlers import BATCH_HANDLERS, HANDLERS
from catalog.measures import measure
from common.amqp import Topology
from common.contracts import SUBSCRIPTIONS
from common.db import Database
from common.inbox import forget_handled
from common.logs import configure_logs
from common.question import Question
from common.relay import Relay
from common.subscriber import Subscriber
from common.traces import start_traces
from common.worker import MEASURE_SECONDS, Periodic, broker_checks, run_worker

MOST_AT_ONCE = 64
"""A batch holds the stock of what it sells until its commit, and reservations wait for that."""


def main() -> None:
    config = Config.load()
    configure_logs("catalog", config.log_level)
    database = Database.from_settings(config)
    start_traces("catalog", config, [database.engine])
    broker = config.amqp_url.get_secret_value()
    topology = Topology(service="catalog", events=SUBSCRIPTIONS["catalog"])

    is_reserved = Question(database, IS_RESERVED).ask

    def ask() -> None:
        if is_reserved():
            database.run(
                ask_about_overdue,
                overdue_seconds=config.reservation_overdue_seconds,
                repeat_seconds=config.overdue_repeat_seconds,
            )

    subscriber = Subscriber(database, broker, topology, HANDLERS, BATCH_HANDLERS, most=MOST_AT_ONCE)
    look = partial(measure, database, overdue_seconds=config.reservation_overdue_seconds)
    run_worker(
        config,
        {
            "relay": Relay.connect("catalog", config, database).run,
            "subscriber": subscriber.run,
            "overdue": Periodic(name="overdue", seconds=config.overdue_sweep_seconds, work=ask),
            "measure": Periodic(name="measure", seconds=MEASURE_SECONDS, work=look),
            "inbox": Periodic(name="inbox", seconds=3600, work=lambda: forget_handled(database)),
        },
        broker_checks(database, broker),
    )
