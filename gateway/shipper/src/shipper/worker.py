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
    shipper = Shipper(config.view_log, config.view_offset, publisher)
    tasks: dict[str, Task] = {"shipper": shipper.run}
    if config.nginx_pid_file is not None:
        work = partial(keep_short, config)
        tasks["rotation"] = Periodic(name="rotation", seconds=ROTATION_SECONDS, work=work)
    check = Check(name="broker", ask=lambda: connect(broker, "readiness").close())
    run_worker(config, tasks, [check])


def keep_short(config: Config) -> None:
    """Begin a new log when the old one has grown, and delete what is shipped to its last line."""
    assert config.nginx_pid_file is not None
    rotate(
        config.view_log,
        most_bytes=config.view_log_max_bytes,
        nginx_pid_file=config.nginx_pid_file,
        now=utcnow(),
    )
    for file in read_completely(config.view_log, offsets.load(config.view_offset)):
        file.unlink()
