# SPDX-License-Identifier: Apache-2.0
"""Notifier's back door: events in, mails out, and what is due. Wiring only."""

from datetime import timedelta

from common import inbox
from common.amqp import Topology
from common.clock import utcnow
from common.contracts import SUBSCRIPTIONS
from common.db import Database
from common.logs import configure_logs
from common.question import Question
from common.subscriber import Subscriber
from common.traces import start_traces
from common.worker import MEASURE_SECONDS, Periodic, broker_checks, run_worker
from notifier import queries
from notifier.commands.deliveries import FANNED_OUT_AT_ONCE, fan_out, forget_finished
from notifier.config import Config
from notifier.handlers import BATCH_HANDLERS, HANDLERS
from notifier.mail import backend_of
from notifier.polling import Polling
from notifier.sender import Sender

FAN_OUT_SECONDS = 0.25
"""A rush's notices are closed together: most of what a round costs does not grow with them."""
SWEEP_SECONDS = 60
TOPOLOGY = Topology(service="notifier", events=SUBSCRIPTIONS["notifier"])


def main() -> None:
    config = Config.load()
    configure_logs("notifier", config.log_level)
    database = Database.from_settings(config)
    start_traces("notifier", config, [database.engine])
    broker = config.amqp_url.get_secret_value()
    sender = Sender(database, backend_of(config), config)

    def close_notices() -> int:
        return database.run(
            fan_out,
            now=database.read(queries.current_time),
            gather_seconds=config.mail_gather_seconds,
            currency=config.currency,
        )

    def forget() -> None:
        inbox.forget_handled(database)
        before = utcnow() - timedelta(days=config.mail_keep_days)
        while database.run(forget_finished, before=before):
            pass

    fan_outs = Polling(
        "fan-out",
        close_notices,
        has_work=Question(database, queries.HAS_OPEN_NOTICES).ask,
        pause=FAN_OUT_SECONDS,
        full=FANNED_OUT_AT_ONCE,
    )
    subscriber = Subscriber(database, broker, TOPOLOGY, HANDLERS, BATCH_HANDLERS)
    has_mails = Question(database, queries.HAS_DUE_DELIVERIES).ask
    run_worker(
        config,
        {
            "subscriber": subscriber.run,
            "fan-out": fan_outs.run,
            "sender": Polling("sender", sender.send_due, has_work=has_mails).run,
            "measure": Periodic(name="measure", seconds=MEASURE_SECONDS, work=sender.measure),
            "sweep": Periodic(name="sweep", seconds=SWEEP_SECONDS, work=forget),
        },
        broker_checks(database, broker),
        gives_way=True,
    )
