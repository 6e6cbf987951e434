# SPDX-License-Identifier: Apache-2.0
"""The real worker process: events from the broker in, files out, and kill -9 in the middle."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from email import message_from_bytes, policy

import pytest
import requests
from sqlalchemy import text

from common.amqp import Publisher
from common.amqp.publisher import Outgoing
from common.amqp.topology import EVENTS_EXCHANGE
from common.testing import eventually
from notifier.worker import TOPOLOGY

KEY = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def environment(config, amqp_url, fresh_queues):
    fresh_queues(TOPOLOGY)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": config.database_url.get_secret_value(),
        "AMQP_URL": amqp_url,
        "REDIS_URL": config.redis_url.get_secret_value(),
        "WORKER_PORT": str(port),
        "SERVICE_TOKEN_KEY": KEY,
        "SECRET_KEY": KEY,
        "MAIL_BACKEND": "file",
        "MAIL_DIR": str(config.mail_dir),
        "EMAIL_SOURCE": "shop@example.org",
        "MAIL_GATHER_SECONDS": "3",
        "MAIL_LEASE_SECONDS": "2",
        "LOG_LEVEL": "debug",
    }


@contextmanager
def worker(environment, log):
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "notifier", "worker"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)


@pytest.fixture
def publish(amqp_url):
    publisher = Publisher(amqp_url, "tests")

    def publish_all(*envelopes):
        messages = [
            Outgoing(
                id=str(envelope.id),
                type=envelope.type,
                body=envelope.to_json(),
                routing_key=envelope.routing_key,
                timestamp=0,
            )
            for envelope in envelopes
        ]
        assert publisher.publish(messages, EVENTS_EXCHANGE) == set()

    yield publish_all
    publisher.close()


def read_mails(config):
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted(config.mail_dir.glob("*.eml"))
    ]


def asked(environment, path):
    return requests.get(f"http://127.0.0.1:{environment['WORKER_PORT']}{path}", timeout=30)


def registered(make):
    return make.seal(make.user(1, "ada", role="admin"))


def test_events_on_the_broker_become_mails(make, environment, publish, config, house, tmp_path):
    log = tmp_path / "worker.log"
    with worker(environment, log) as process:
        publish(registered(make))
        eventually(lambda: house.recipient(1), seconds=20)
        price = make.seal(make.price(), correlationid="c0ffee")
        publish(price, price, make.seal(make.changed(), correlationid="c0ffee"))
        eventually(lambda: house.statuses() == ["sent"], seconds=60)

        ready = eventually(lambda: (answer := asked(environment, "/readyz")).ok and answer)
        assert ready.json()["checks"].keys() == {"database", "broker"}
        sent = 'souk_mails_total{outcome="sent"} 1.0'
        eventually(lambda: sent in asked(environment, "/metrics").text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0

    (mail,) = read_mails(config)
    assert mail["Subject"] == "Price changed: Blue shoes 12.50 → 10.00 USD"
    assert mail["To"] == "ada@example.com"
    assert mail["X-Request-Id"] == "c0ffee"
    logged = log.read_text()
    assert "mail_sent" in logged
    assert "ada@example.com" not in logged
    assert KEY not in logged


WAIT = """
    CREATE TRIGGER slow_to_write_down BEFORE UPDATE ON deliveries FOR EACH ROW
    BEGIN IF NEW.status = 'sent' THEN DO GET_LOCK(DATABASE(), 60); END IF; END
"""


@contextmanager
def nothing_written_down(database):
    """No delivery becomes sent as long as the block lasts: who wants to say so waits."""
    with database.engine.connect() as holder:
        assert holder.scalar(text("SELECT GET_LOCK(DATABASE(), 10)")) == 1
        with database.engine.begin() as connection:
            connection.execute(text(WAIT))
        try:
            yield
        finally:
            holder.execute(text("SELECT RELEASE_LOCK(DATABASE())"))
            with database.engine.begin() as connection:
                connection.execute(text("DROP TRIGGER slow_to_write_down"))


def test_a_worker_killed_between_the_mail_and_its_commit_repeats_this_mail_and_loses_none(
    make, environment, publish, config, house, tmp_path
):
    log = tmp_path / "worker.log"
    with nothing_written_down(house.database), worker(environment, log) as process:
        publish(registered(make))
        eventually(lambda: house.recipient(1), seconds=20)
        publish(*[make.seal(make.price(product_id=number)) for number in range(1, 6)])
        eventually(lambda: read_mails(config), seconds=20)
        process.kill()
        process.wait()
    assert "sent" not in house.statuses()

    with worker(environment, log):
        eventually(lambda: house.statuses() == ["sent"] * 5, seconds=30)

    mails = read_mails(config)
    assert len(mails) == 5
    assert len({mail["X-Souk-Event-Id"] for mail in mails}) == 5
    repeated = [delivery.attempts for delivery in house.deliveries()].count(2)
    assert 1 <= repeated <= 5
