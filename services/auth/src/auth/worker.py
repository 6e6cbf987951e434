# SPDX-License-Identifier: Apache-2.0
"""Auth's back door: events out, and what is due. Wiring only; auth reads no events."""

from functools import partial

from auth.commands import users
from auth.config import Config
from auth.sweeps import sweep_refresh_tokens
from common.db import Database
from common.logs import configure_logs
from common.relay import Relay
from common.traces import start_traces
from common.worker import Periodic, Task, broker_checks, run_worker

SWEEP_SECONDS = 300
STORE_SECONDS = 5
"""A start may find no database or no tables yet, and the store must be there when they are."""


def main() -> None:
    config = Config.load()
    configure_logs("auth", config.log_level)
    database = Database.from_settings(config)
    start_traces("auth", config, [database.engine])
    broker = config.amqp_url.get_secret_value()
    sweep = partial(sweep_refresh_tokens, database)
    tasks: dict[str, Task] = {
        "relay": Relay.connect("auth", config, database).run,
        "sweep": Periodic(name="sweep", seconds=SWEEP_SECONDS, work=sweep),
    }
    if config.open_store:
        ensure = partial(database.run, users.ensure_store)
        tasks["store"] = Periodic(name="store", seconds=STORE_SECONDS, work=ensure)
    run_worker(config, tasks, broker_checks(database, broker))
