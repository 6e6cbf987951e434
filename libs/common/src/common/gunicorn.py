# SPDX-License-Identifier: Apache-2.0
"""gunicorn's settings, the same for every service."""

import gc
import os
import shutil
import sys
from typing import Any

worker_class = "gthread"
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
keepalive = 75  # longer than the gateway keeps its side, so that we never close under a request
timeout = 30
graceful_timeout = 10
backlog = 512
limit_request_line = 8190  # what nginx lets through: its refusal of more is in our words
header_map = "drop"
forwarded_allow_ips = ""  # nobody's word about schemes or addresses counts here
errorlog = "-"
accesslog = None  # the application logs its requests itself
loglevel = "warning"
control_socket_disable = True

NEVER_BOOTS = 3  # gunicorn's own word for it: the leader of such a process ends


def post_fork(_server: Any, _worker: Any) -> None:
    gc.disable()  # nothing that is imported is garbage; looking for some is a tenth of the time


def post_worker_init(worker: Any) -> None:
    """Say that another process answers: who replaces the old ones waits for it."""
    # The collector never looks at all that again: for 60 ms nobody would be answered.
    gc.freeze()
    gc.enable()

    from common.logs import get_logger  # noqa: PLC0415 - the master stays small

    get_logger(__name__).info("web_process_ready", pid=worker.pid)


def worker_exit(_server: Any, worker: Any) -> None:
    """Let the leader end, too, where settings are wrong: another process would read the same."""
    refusal = sys.exception()
    if not worker.booted and isinstance(refusal, SystemExit) and isinstance(refusal.code, str):
        sys.stderr.write(f"{refusal.code}\n")
        sys.exit(NEVER_BOOTS)


def child_exit(_server: Any, worker: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return
    from prometheus_client import multiprocess  # noqa: PLC0415 - the master stays small

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    shutil.rmtree(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""), ignore_errors=True)
