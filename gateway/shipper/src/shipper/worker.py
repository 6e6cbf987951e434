# SPDX-License-Identifier: Apache-2.0
"""The shipper's only door. Wiring only."""

from functools import partial

from common.amqp import Publisher, readers_of
from common.amqp.connection import connect
from common.clock import utcnow
from common.health import Check
from common.logs import configure_logs
from common.worker import Periodic, Task, run_worker
from shipper import offsets
from shipper.config import Config
from shipper.rotation import rotate
from shipper.shipping import Shipper
from shipper.tail import read_completely

ROTATION_SECONDS = 10


def main() -> None:
    config = Config.load()
    configure_logs("shipper", config.log_level)
    broker = config.amqp_url.get_secret_value()
    publisher = Publisher(broker, "view shipper", readers=readers_of("gateway"))
    key = config.view_log_key.get_secret_value().encode()
    shipper = Shipper(config.view_log, config.view_offset, publisher, key=key)
    tasks: dict[str, Task] = {
        "shipper": shipper.run,
        "rotation": Periodic(
            name="rotation", seconds=ROTATION_SECONDS, work=partial(keep_short, config)
        ),
    }
    check = Check(name="broker", ask=lambda: connect(broker, "readiness").close())
    run_worker(config, tasks, [check])


def keep_short(config: Config) -> None:
    """Begin a new log when the old one is long or old; delete what is shipped to its last line."""
    rotate(
        config.view_log,
        most_bytes=config.view_log_max_bytes,
        most_seconds=config.view_log_max_seconds,
        now=utcnow(),
    )
    for file in read_completely(config.view_log, offsets.load(config.view_offset)):
        file.unlink()
