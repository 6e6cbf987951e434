# SPDX-License-Identifier: Apache-2.0
"""Web processes are replaced one by one while clients on kept connections go on asking."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from catalog.config import Config
from common.testing import eventually
from souk_local.renewal import Renewal, children_of
from souk_local.supervision import ProcessStatus
from soukctl.gateway import GatewayClient

JSON = {"Content-Type": "application/json"}
NAME, CLIENTS, WEB_WORKERS = "catalog-web", 4, 2


@dataclass
class Web:
    """Catalog's web role, and what supervisord would say of it."""

    process: subprocess.Popen
    path: Path
    port: int

    def statuses(self):
        return [ProcessStatus(NAME, "RUNNING", self.process.pid, 1)]

    def log(self, _program):
        return self.path


@pytest.fixture
def web(database_of, service_settings, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = service_settings(Config, database=database_of("catalog"))
    secrets = ("database_url", "amqp_url", "redis_url", "service_token_key", "secret_key")
    environment = {
        **os.environ,
        **{name.upper(): getattr(config, name).get_secret_value() for name in secrets},
        "HTTP_PORT": str(port),
        "WEB_WORKERS": str(WEB_WORKERS),
    }
    log = tmp_path / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "catalog", "web"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    made = Web(process, log, port)
    try:
        ready = GatewayClient(f"http://127.0.0.1:{port}").is_ready
        eventually(ready, seconds=120, what="catalog's web role")
        eventually(lambda: log.read_text().count("web_process_ready") == WEB_WORKERS, seconds=60)
        yield made
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def clients_of(web):
    """Clients that keep their connections, as the gateway does; gives what they saw."""
    over, seen = Event(), {"answers": 0, "failures": []}

    def insist():
        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
        while not over.is_set():
            try:
                # A POST is sent once, also by the gateway. Without a token it is a plain 401.
                connection.request(
                    "POST", "/v1/products", "{}", {"Content-Type": "application/json"}
                )
                response = connection.getresponse()
                response.read()
                assert response.status == 401
                seen["answers"] += 1
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                seen["failures"].append(repr(error))
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(insist) for _ in range(CLIENTS)]
        try:
            eventually(lambda: seen["answers"] > 20, seconds=60, what="the first answers")
            yield seen
        finally:
            over.set()
    for one in asking:
        one.result()


def test_every_web_process_is_replaced_and_no_request_is_lost(web):
    before = children_of(web.process.pid)
    with clients_of(web) as seen:
        Renewal(None, web, None).renew_web(NAME)
        answers = seen["answers"]
        eventually(lambda: seen["answers"] > answers + 20, seconds=60, what="answers afterwards")
        # The old ones end only when their clients have been told to go elsewhere.
        eventually(
            lambda: not before & children_of(web.process.pid), seconds=60, what="the old ones' end"
        )

    assert seen["failures"] == []
    assert len(children_of(web.process.pid)) == WEB_WORKERS


def test_the_clients_notice_a_process_that_is_killed(web):
    """The control: the same clients lose requests where a process just ends."""
    with clients_of(web) as seen:
        for pid in children_of(web.process.pid):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: seen["failures"], seconds=60, what="a lost request")
