# SPDX-License-Identifier: Apache-2.0
"""The back door of every service: one process, a thread for each task, a small health server."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event as Signal

import orjson

from common.amqp import TopologyConflict
from common.amqp.connection import connect
from common.context import Trace, traced
from common.db import Database
from common.health import Check, readiness
from common.logs import get_logger
from common.metrics import exposition
from common.settings import Settings

log = get_logger(__name__)

READY_SECONDS = 1.5
MEASURE_SECONDS = 15.0
HOUR_SECONDS = 3600.0

CONFLICT_SECONDS = 30.0
"""Only a person can settle a conflict. So long the worker goes on with its other tasks before it
ends, so that a supervisor which starts it at once does not fill the log."""

NICENESS = 10

Task = Callable[[Signal], None]
"""Works until the signal is set, and survives its dependencies."""


@dataclass(frozen=True, kw_only=True)
class Periodic:
    """Does *work* every *seconds*; a failure is logged and does not end it."""

    name: str
    seconds: float
    work: Callable[[], object]

    def __call__(self, stop: Signal) -> None:
        while not stop.wait(self.seconds):
            try:
                with traced(Trace(actor=f"clock/{self.name}")):
                    self.work()
            except Exception as error:
                log.warning("round_failed", task=self.name, exc_info=error)


def broker_checks(database: Database, amqp_url: str) -> list[Check]:
    """What a worker is not ready without."""

    def ask_broker() -> None:
        connect(amqp_url, "readiness", seconds=READY_SECONDS / 2).close()

    # The tasks may wait for long; whoever asks whether we are ready may not.
    quick = database.apart(read_timeout=READY_SECONDS)
    return [Check(name="database", ask=quick.ping), Check(name="broker", ask=ask_broker)]


def run_worker(
    config: Settings, tasks: dict[str, Task], checks: Sequence[Check], *, gives_way: bool = False
) -> None:
    """Run *tasks* until SIGTERM, or end the process when one of them dies.

    A dead task is not restarted here: whoever supervises the process starts it anew, with all its
    connections, and sees that something was wrong.

    Args:
        gives_way: Whether others get the processor first. For work that nobody waits for, and that
            holds no lock which a request may want (docs/decisions/0023).
    """
    if gives_way:
        os.nice(NICENESS)
    stop, failed = Signal(), Signal()

    def guarded(name: str, task: Task) -> None:
        try:
            task(stop)
        except TopologyConflict as error:
            log.critical("topology_conflict", task=name, reason=str(error))
            failed.set()
            stop.wait(CONFLICT_SECONDS)
        except Exception as error:
            log.critical("task_died", task=name, exc_info=error)
            failed.set()
        finally:
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = _health_server(config, list(checks))
    threads = [
        threading.Thread(target=guarded, args=(name, task), name=name)
        for name, task in tasks.items()
    ]
    for thread in threads:
        thread.start()
    log.info("worker_started", tasks=sorted(tasks))
    stop.wait()
    for thread in threads:
        thread.join(timeout=10)
    server.server_close()
    if failed.is_set():
        os._exit(1)


def _health_server(config: Settings, checks: list[Check]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path:
                case "/healthz":
                    self._answer(200, orjson.dumps({"ok": True}), "application/json")
                case "/readyz":
                    body, ready = readiness(checks)
                    status = 200 if ready else 503
                    self._answer(status, orjson.dumps(body), "application/json")
                case "/metrics":
                    text, content_type = exposition()
                    self._answer(200, text, content_type)
                case _:
                    self._answer(404, b"{}", "application/json")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: probes come every few seconds."""

    server = ThreadingHTTPServer((config.worker_host, config.worker_port), Handler)
    server.daemon_threads = True
    # It ends with the process, so it need not look twice a second whether it should.
    serve = partial(server.serve_forever, poll_interval=HOUR_SECONDS)
    threading.Thread(target=serve, name="health", daemon=True).start()
    return server
