# SPDX-License-Identifier: Apache-2.0
"""Analytics' back door: events in, and what is due. It publishes nothing. Wiring only."""

from datetime import timedelta

from analytics import commands
from analytics.config import Config
from analytics.handlers import BATCH_HANDLERS, HANDLERS
from common import inbox
from common.amqp import Topology
from common.clock import utcnow
from common.contracts import SUBSCRIPTIONS, ProductViewed
from common.db import Database
from common.logs import configure_logs
from common.subscriber import Subscriber
from common.worker import Periodic, broker_checks, run_worker

PARTITIONS_SECONDS = 60
SWEEP_SECONDS = 10
TOPOLOGY = Topology(
    service="analytics", events=SUBSCRIPTIONS["analytics"], streams=(ProductViewed,)
)


def main() -> None:
    config = Config.load()
    configure_logs("analytics", config.log_level)
    database = Database.from_settings(config)
    broker = config.amqp_url.get_secret_value()

    def add_partitions() -> None:
        database.run(
            commands.add_view_partitions,
            today=utcnow().date(),
            days_ahead=config.partitions_ahead_days,
        )

    def forget() -> None:
        before = utcnow() - timedelta(days=config.inbox_kept_days)
        while database.run(inbox.forget, before=before):
            pass

    subscriber = Subscriber(database, broker, TOPOLOGY, HANDLERS, BATCH_HANDLERS)
    run_worker(
        config,
        {
            "subscriber": subscriber.run,
            "partitions": Periodic(
                name="partitions", seconds=PARTITIONS_SECONDS, work=add_partitions
            ),
            "sweep": Periodic(name="sweep", seconds=SWEEP_SECONDS, work=forget),
        },
        broker_checks(database, broker),
    )
