# SPDX-License-Identifier: Apache-2.0
"""A relay in a process of its own, as a worker has it; it ends with its parent's signal."""

import os
from threading import Event as Signal

from common.amqp import Publisher
from common.bell import Bell
from common.db import Database
from common.relay import Relay


def main() -> None:
    port = os.environ.get("WORKER_PORT")
    publisher = Publisher(os.environ["AMQP_URL"], "bench relay")
    bell = Bell("127.0.0.1", int(port)) if port else None
    Relay(Database(os.environ["DATABASE_URL"]), publisher, bell).run(Signal())


if __name__ == "__main__":
    main()
