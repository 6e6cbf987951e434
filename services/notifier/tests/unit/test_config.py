# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from notifier.config import Config

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


def test_no_secret_is_shown():
    config = Config(**(GOOD | SES), aws_access_key_id="AKIA", aws_secret_access_key="s3cret-canary")

    assert "s3cret-canary" not in repr(config)
