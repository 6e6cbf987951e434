# SPDX-License-Identifier: Apache-2.0
"""Orders' back door: events out, events in, and what is due. Wiring only."""

from functools import partial

from common.amqp import Topology
from common.contracts import SUBSCRIPTIONS
from common.db import Database
from common.idempotency import forget_keys
from common.inbox import forget_handled
from common.logs import configure_logs
from common.question import Question
from common.relay import Relay
from common.subscriber import Subscriber
from common.traces import start_traces
from common.worker import MEASURE_SECONDS, Periodic, broker_checks, run_worker
from orders.catalog import Catalog
from orders.checkout import Checkout
from orders.commands.begin import IS_LAPSED
from orders.config import Config
from orders.handlers import HANDLERS
from orders.measures import measure


def main() -> None:
    config = Config.load()
    configure_logs("orders", config.log_level)
    database = Database.from_settings(config)
    start_traces("orders", config, [database.engine])
    broker = config.amqp_url.get_secret_value()
    topology = Topology(service="orders", events=SUBSCRIPTIONS["orders"])
    checkout = Checkout.connect(config, database, Catalog.connect(config))
    is_lapsed = Question(database, IS_LAPSED).ask

    def sweep() -> None:
        if is_lapsed():
            checkout.sweep()

    run_worker(
        config,
        {
            "relay": Relay.connect("orders", config, database).run,
            "subscriber": Subscriber(database, broker, topology, HANDLERS).run,
            "sweep": Periodic(name="sweep", seconds=config.sweep_seconds, work=sweep),
            "measure": Periodic(
                name="measure", seconds=MEASURE_SECONDS, work=partial(measure, database)
            ),
            "inbox": Periodic(name="inbox", seconds=3600, work=lambda: forget_handled(database)),
            "keys": Periodic(
                name="keys",
                seconds=600,
                work=lambda: forget_keys(database, keep_days=config.idempotency_key_days),
            ),
        },
        broker_checks(database, broker),
    )
