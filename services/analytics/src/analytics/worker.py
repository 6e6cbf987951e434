# SPDX-License-Identifier: Apache-2.0
"""Analytics' back door: events in, and what is due. It publishes nothing. Wiring only."""

from functools import partial

from analytics import chain, days
from analytics.audit import Auditor
from analytics.config import Config
from analytics.handlers import BATCH_HANDLERS
from analytics.measures import measure
from analytics.watch import watch
from common.amqp import Topology
from common.clock import utcnow
from common.contracts import SUBSCRIPTIONS, VIEWS
from common.db import Database
from common.inbox import forget_handled
from common.logs import configure_logs
from common.question import Question
from common.subscriber import Subscriber
from common.traces import start_traces
from common.worker import MEASURE_SECONDS, Periodic, broker_checks, run_worker

DAYS_SECONDS = 60
FORGET_SECONDS = 60
SEAL_SECONDS = 1
MOST_AT_ONCE = 250
TOPOLOGY = Topology(service="analytics", events=SUBSCRIPTIONS["analytics"], streams=VIEWS)


def main() -> None:
    config = Config.load()
    configure_logs("analytics", config.log_level)
    database = Database.from_settings(config)
    start_traces("analytics", config, [database.engine])
    broker = config.amqp_url.get_secret_value()

    def turn_days() -> None:
        today = utcnow().date()
        ahead = config.partitions_ahead_days
        database.run(days.add_partitions, today=today, days_ahead=ahead)
        if config.views_kept_days:
            days.drop_old(database, today=today, kept_days=config.views_kept_days)

    def forget() -> None:
        forget_handled(database, keep_days=config.inbox_kept_days)

    is_unsealed = Question(database, chain.IS_UNSEALED).ask

    def seal() -> None:
        if is_unsealed():
            chain.seal_all(database)

    look = partial(measure, database, currency=config.currency)
    auditor = Auditor.connect(config, database)
    subscriber = Subscriber(database, broker, TOPOLOGY, {}, BATCH_HANDLERS, most=MOST_AT_ONCE)
    run_worker(
        config,
        {
            "subscriber": subscriber.run,
            "days": Periodic(name="days", seconds=DAYS_SECONDS, work=turn_days),
            "inbox": Periodic(name="inbox", seconds=FORGET_SECONDS, work=forget),
            "sealer": Periodic(name="sealer", seconds=SEAL_SECONDS, work=seal),
            "measure": Periodic(name="measure", seconds=MEASURE_SECONDS, work=look),
            "audit": Periodic(
                name="audit", seconds=config.audit_every_seconds, work=lambda: watch(auditor)
            ),
        },
        broker_checks(database, broker),
        gives_way=True,
    )
