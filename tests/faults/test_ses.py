# SPDX-License-Identifier: Apache-2.0
"""SES is gone, hangs, or its answer is lost: mails wait and go out later."""

from collections import Counter

import boto3
import pytest
from moto.backends import get_backend
from moto.server import ThreadedMotoServer
from sqlalchemy import text

from common.contracts import ProductPriceChanged, UserRegistered
from common.events import Envelope
from common.problems import Unavailable
from notifier import queries
from notifier.commands.deliveries import fan_out
from notifier.config import Config
from notifier.handlers import HANDLERS
from notifier.mail import backend_of, ses
from notifier.sender import Sender
from support.proxy import Proxy

REGION = "eu-central-1"
KEYS = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "only-for-tests"}
ADMINS = ("ada", "bob", "cy")


@pytest.fixture
def moto():
    """SES's stand-in; its thread is one of this process, and its memory has to be emptied."""
    get_backend("ses").reset()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("ses", region_name=REGION, endpoint_url=url, **KEYS)
    client.verify_email_identity(EmailAddress="shop@example.org")
    yield url
    server.stop()
    get_backend("ses").reset()


@pytest.fixture
def wire(moto):
    made = Proxy.before(moto)
    yield made
    made.close()


@pytest.fixture
def database(database_of, clean):
    found = database_of("notifier")
    clean(found)
    return found


@pytest.fixture
def sender(database, wire, moto, service_settings, monkeypatch):
    """Sends through the proxy; it is told of a hanging SES sooner than in production."""
    monkeypatch.setattr(ses, "READ_SECONDS", 1.5)
    config = service_settings(
        Config,
        database=database,
        mail_backend="ses",
        region_name=REGION,
        ses_endpoint_url=wire.url(moto),
        email_source="shop@example.org",
        mail_per_second=10_000,
        **KEYS,
    )
    return Sender(database, backend_of(config), config)


@pytest.fixture
def price_changed(database):
    """Three admins, and a change that each of them is to hear of."""

    def hear(event):
        envelope = Envelope.seal(event, aggregate_version=1)
        database.run(HANDLERS[type(event)], event, envelope)

    for number, name in enumerate(ADMINS, start=1):
        hear(
            UserRegistered(
                user_id=number,
                username=name,
                email=f"{name}@example.com",
                fullname=name,
                role="admin",
                guest=False,
            )
        )
    hear(
        ProductPriceChanged(
            product_id=42,
            sku="SH-42",
            name="Shoes",
            seller_id=1,
            old_price=9,
            new_price=8,
            currency="USD",
        )
    )
    now = database.read(queries.current_time)
    assert database.run(fan_out, now=now, gather_seconds=0, currency="USD") > 0


def received():
    """How many mails each admin has from SES."""
    return Counter(
        address
        for account in get_backend("ses").values()
        for message in account[REGION].sent_messages
        for address in set(message.destinations)
    )


def try_to_send(sender):
    try:
        sender.send_due()
    except Unavailable:
        return False
    return True


def time_passes(database):
    """The waits after failed attempts are over."""
    over = text("UPDATE deliveries SET due_at = due_at - INTERVAL 1 DAY WHERE due_at IS NOT NULL")
    database.run(lambda session: session.execute(over))


@pytest.mark.parametrize("fault", ["refuse", "stall"])
def test_mails_wait_for_ses_and_go_out_once_each(database, sender, wire, price_changed, fault):
    getattr(wire, fault)()
    for _ in range(3):
        assert not try_to_send(sender)
        time_passes(database)
    assert received() == {}

    wire.heal()
    time_passes(database)
    while sender.send_due():
        pass

    assert received() == {f"{name}@example.com": 1 for name in ADMINS}


def test_an_answer_that_is_lost_may_repeat_this_mail_and_no_other(
    database, sender, wire, price_changed
):
    wire.swallow_answer_to(b"POST /v2/email/outbound-emails")

    while not try_to_send(sender) or sum(received().values()) < len(ADMINS):
        time_passes(database)
    time_passes(database)
    while sender.send_due():
        pass

    assert wire.swallowed == 1
    assert sorted(received()) == [f"{name}@example.com" for name in ADMINS]
    assert sum(received().values()) <= len(ADMINS) + 1
