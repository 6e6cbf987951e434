# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from notifier.config import Config
from notifier.mail import backend_of

GOOD = {
    "database_url": "mysql://",
    "amqp_url": "amqp://",
    "redis_url": "redis://",
    "service_token_key": "abcdefghijklmnopqrstuvwxyz0123456789",
    "secret_key": "abcdefghijklmnopqrstuvwxyz0123456789",
    "mail_backend": "file",
    "mail_dir": "mail",
    "email_source": "shop@example.org",
}
SES = {"mail_backend": "ses", "mail_dir": None, "region_name": "eu-central-1"}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "change",
    [
        {},
        SES,
        SES | {"aws_access_key_id": "AKIA", "aws_secret_access_key": "secret"},
    ],
)
def test_these_settings_are_good(change):
    assert Config(**(GOOD | change)).mail_burst == 120


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"mail_dir": None}, "MAIL_DIR"),
        ({"mail_backend": "smtp"}, "mail_backend"),
        ({"email_source": "shop"}, "email_source"),
        ({"email_source": "shop@example.org\r\nBcc: eve@example.net"}, "email_source"),
        ({"mail_per_second": 0}, "mail_per_second"),
        ({"mail_burst": 0}, "mail_burst"),
        (SES | {"region_name": None}, "REGION_NAME"),
        (SES | {"aws_access_key_id": "AKIA"}, "AWS_SECRET_ACCESS_KEY"),
        (SES | {"mail_lease_seconds": 10}, "MAIL_LEASE_SECONDS"),
    ],
)
def test_these_settings_are_refused_with_their_name(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Config(**(GOOD | change))


def test_ses_is_set_up_by_the_names_that_the_seed_gives(monkeypatch):
    environment = GOOD | {
        "mail_backend": "ses",
        "region_name": "eu-west-3",
        "aws_access_key_id": "AKIASEED",
        "aws_secret_access_key": "s3cret-canary",
        "email_source": "market@example.org",
    }
    del environment["mail_dir"]
    for name, value in environment.items():
        monkeypatch.setenv(name.upper(), value)

    backend = backend_of(Config.load())

    client = backend._client
    assert backend._source == "market@example.org"
    assert client.meta.region_name == "eu-west-3"
    assert client.meta.service_model.service_name == "sesv2"
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("AKIASEED", "s3cret-canary")


def test_no_secret_is_shown():
    config = Config(**(GOOD | SES), aws_access_key_id="AKIA", aws_secret_access_key="s3cret-canary")

    assert "s3cret-canary" not in repr(config)
