# SPDX-License-Identifier: Apache-2.0
"""The SES backend against moto's real server: it refuses unverified senders, as SES does."""

import socket
import subprocess
import sys
from email import message_from_string, policy
from email.message import EmailMessage

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from common.identifiers import uuid7
from common.problems import Unavailable
from notifier.mail import MailRefused, MailUnavailable, backend_of
from notifier.mail.ses import SesBackend
from notifier.mail.wire import WIRE

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ses(moto, config):
    """Settings that send through moto, from an address that it has verified."""
    requests.post(f"{moto}/moto-api/reset", timeout=5)
    keys = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "only-for-tests"}
    client = boto3.client("ses", region_name=REGION, endpoint_url=moto, **keys)
    client.verify_email_identity(EmailAddress="shop@example.org")
    return configured(config, ses_endpoint_url=moto, **keys)


def configured(config, **changes):
    facts = {"mail_backend": "ses", "region_name": REGION} | changes
    return type(config)(**(config.model_dump() | facts))


def mail(to="ada@example.com"):
    message = EmailMessage(policy=WIRE)
    message["From"] = "Souk <shop@example.org>"
    message["To"] = to
    message["Subject"] = "Price changed: Größe 12.50 → 10.00 USD"
    message["Message-ID"] = "<1@example.org>"
    message.set_content("Größe 12.50 → 10.00")
    return message


@pytest.fixture
def sent(moto):
    """What moto's SES holds as sent: its server runs in a thread of this process."""

    def messages():
        return [
            message
            for account in get_backend("ses").values()
            for message in account[REGION].sent_messages
        ]

    return messages


def test_a_mail_reaches_ses_whole(ses, sent):
    backend_of(ses).send(uuid7(), mail())

    (message,) = sent()
    assert message.source == "shop@example.org"
    assert set(message.destinations) == {"ada@example.com"}
    parsed = message_from_string(message.raw_data, policy=policy.default)
    assert parsed["Subject"] == "Price changed: Größe 12.50 → 10.00 USD"
    assert parsed["Message-ID"] == "<1@example.org>"
    assert parsed.get_content().strip() == "Größe 12.50 → 10.00"


def test_a_sender_that_ses_does_not_know_is_refused_without_naming_anybody(ses, sent):
    stranger = ses.model_copy(update={"email_source": "stranger@example.net"})

    with pytest.raises(MailRefused) as refusal:
        backend_of(stranger).send(uuid7(), mail())

    assert str(refusal.value) == "MessageRejected"
    assert sent() == []


def test_ses_that_is_down_is_the_backends_trouble(config):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    down = configured(
        config,
        ses_endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="only-for-tests",
    )

    with pytest.raises(MailUnavailable):
        backend_of(down).send(uuid7(), mail())


def test_ses_that_never_answers_is_asked_once_and_not_for_long(ses, monkeypatch):
    monkeypatch.setattr("notifier.mail.ses.READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(5)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        backend = backend_of(ses.model_copy(update={"ses_endpoint_url": url}))

        with pytest.raises(MailUnavailable):
            backend.send(uuid7(), mail())

        silent.accept()[0].close()
        silent.settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent.accept()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "InternalFailure", MailUnavailable),
        (503, "ServiceUnavailable", MailUnavailable),
        (429, "TooManyRequestsException", MailUnavailable),
        (400, "SendingPausedException", MailUnavailable),
        (400, "LimitExceededException", MailUnavailable),
        (400, "MessageRejected", MailRefused),
        (400, "MailFromDomainNotVerifiedException", MailRefused),
    ],
)
def test_trouble_of_the_account_is_not_the_mails_fault(ses, status, code, kind):
    class Client:
        def send_email(self, **_arguments):
            response = {
                "Error": {"Code": code, "Message": "ada@example.com"},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }
            raise ClientError(response, "SendEmail")

    with pytest.raises(kind, match=f"^{code}$"):
        SesBackend(Client(), "shop@example.org").send(uuid7(), mail())


def test_a_new_price_goes_out_through_ses(ses, sent, house, make):
    house.post = backend_of(ses)
    house.admins("ada", "grace", "linus")
    house.hear(make.price())
    house.send()

    assert sorted(message.destinations[0] for message in sent()) == [
        "ada@example.com",
        "grace@example.com",
        "linus@example.com",
    ]
    assert set(house.statuses()) == {"sent"}


def test_while_ses_is_down_nothing_is_lost(ses, sent, house, make):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    house.admins("ada")
    house.hear(make.price())
    house.post = backend_of(ses.model_copy(update={"ses_endpoint_url": url}))
    with pytest.raises(Unavailable):
        house.send()
    assert house.statuses() == ["pending"]

    house.post = backend_of(ses)
    house.time_passes(seconds=10)
    house.send()

    assert len(sent()) == 1
    assert house.statuses() == ["sent"]


def test_boto3_is_only_imported_by_those_who_send_with_it():
    code = "import sys, notifier.worker; sys.exit('boto3' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
