# SPDX-License-Identifier: Apache-2.0
"""Orders' back door: events out, events in, and what is due. Wiring only."""

from datetime import timedelta

from common import idempotency, inbox
from common.amqp import Publisher, Topology
from common.clock import utcnow
from common.contracts import SUBSCRIPTIONS
from common.db import Database
from common.logs import configure_logs
from common.relay import Relay
from common.subscriber import Subscriber
from common.worker import Periodic, broker_checks, run_worker
from orders.catalog import Catalog
from orders.checkout import Checkout
from orders.config import Config
from orders.handlers import HANDLERS

ROWS_AT_ONCE = 1000


def main() -> None:
    config = Config.load()
    configure_logs("orders", config.log_level)
    database = Database.from_settings(config)
    broker = config.amqp_url.get_secret_value()
    topology = Topology(service="orders", events=SUBSCRIPTIONS["orders"])
    checkout = Checkout.connect(config, database, Catalog.connect(config))
    run_worker(
        config,
        {
            "relay": Relay(database, Publisher(broker, "orders relay")).run,
            "subscriber": Subscriber(database, broker, topology, HANDLERS).run,
            "sweep": Periodic(name="sweep", seconds=config.sweep_seconds, work=checkout.sweep),
            "tidy": Periodic(
                name="tidy", seconds=config.tidy_seconds, work=lambda: tidy(database, config)
            ),
        },
        broker_checks(database, broker),
    )


def tidy(database: Database, config: Config) -> None:
    """Forget keys and handled events that nobody will ask for again, some rows at a time."""
    days = config.idempotency_key_days
    while database.run(idempotency.forget, days=days, limit=ROWS_AT_ONCE) == ROWS_AT_ONCE:
        pass
    before = utcnow() - timedelta(days=config.inbox_days)
    while database.run(inbox.forget, before=before, limit=ROWS_AT_ONCE) == ROWS_AT_ONCE:
        pass
