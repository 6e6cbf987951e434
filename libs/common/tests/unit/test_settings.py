# SPDX-License-Identifier: Apache-2.0
import os

import pytest
from pydantic import SecretStr, ValidationError

from common.settings import DatabaseSettings, ServiceSettings

STRONG = "0123456789abcdefghijklmnopqrstuvwxyz"
CANARY = "canary-a8c1f0"
GOOD = {
    "DATABASE_URL": f"mysql+pymysql://catalog:{CANARY}@127.0.0.1/catalog",
    "AMQP_URL": f"amqp://catalog:{CANARY}@127.0.0.1/souk",
    "REDIS_URL": f"redis://:{CANARY}@127.0.0.1/0",
    "SERVICE_TOKEN_KEY": STRONG,
    "SECRET_KEY": STRONG[::-1],
}


@pytest.fixture
def environment(monkeypatch):
    """An empty environment, and a way to fill it."""
    for name in list(os.environ):
        monkeypatch.delenv(name)

    def fill(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return fill


def refusal_of(settings):
    with pytest.raises(SystemExit) as caught:
        settings.load()
    message = caught.value.code
    assert isinstance(message, str), "an exit status alone tells nobody what is wrong"
    return message


def test_a_good_environment_is_read(environment):
    environment(**GOOD, HTTP_PORT="9102", LOG_LEVEL="debug")

    settings = ServiceSettings.load()

    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]
    assert (settings.http_port, settings.log_level, settings.currency) == (9102, "debug", "USD")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", f"mysql+pymysql://catalog:x@{CANARY}@127.0.0.1/catalog"),
        ("DATABASE_URL", f"mysql+pymysql://catalog@127.0.0.1:{CANARY}/catalog"),
        ("DATABASE_REPLICA_URL", f"mysql+pymysql://catalog:x@{CANARY}@127.0.0.1/catalog"),
        ("AMQP_URL", f"amqp://catalog:{CANARY}/x@127.0.0.1/souk"),
        ("REDIS_URL", f"redis://:{CANARY}#x@127.0.0.1/0"),
    ],
)
def test_a_password_that_spoils_its_address_is_refused_and_not_shown(environment, name, url):
    environment(**GOOD | {name: url})

    said = refusal_of(ServiceSettings)

    assert f"{name}: " in said
    assert "%2F for /" in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "mysql+pymysql://catalog:a/b#c?d[e:f@127.0.0.1:3306/catalog"),
        ("DATABASE_URL", "mysql+pymysql://catalog:x@/catalog?unix_socket=/run/mysqld.sock"),
        ("AMQP_URL", "amqp://catalog:a@b:c@127.0.0.1:5672/souk"),
        ("REDIS_URL", "unix:///run/redis.sock"),
    ],
)
def test_what_the_drivers_read_as_it_is_meant_is_let_through(environment, name, url):
    environment(**GOOD | {name: url})

    assert getattr(ServiceSettings.load(), name.lower()).get_secret_value() == url


def test_all_faults_stand_in_one_message(environment):
    environment(HTTP_PORT="many", CURRENCY="dollars", WEB_THREADS="0")

    message = refusal_of(ServiceSettings)

    for name in (*GOOD, "HTTP_PORT", "CURRENCY", "WEB_THREADS"):
        assert f"  {name}: " in message
    assert len(message.splitlines()) == 1 + len(GOOD) + 3


def test_the_message_holds_no_value(environment):
    environment(**GOOD | {"SERVICE_TOKEN_KEY": CANARY, "HTTP_PORT": CANARY, "SECRET_KEY": CANARY})

    assert CANARY not in refusal_of(ServiceSettings)


def test_settings_that_are_shown_hide_their_secrets(environment):
    environment(**GOOD)

    shown = f"{ServiceSettings.load()!r} {ServiceSettings.load()}"

    assert CANARY not in shown
    assert STRONG not in shown


@pytest.mark.parametrize("weak", ["", "short", "a" * 64, "changeme" * 4, "abcabcabc" * 8])
def test_a_weak_secret_is_refused(environment, weak):
    environment(**GOOD | {"SECRET_KEY": weak})

    assert "SECRET_KEY: " in refusal_of(ServiceSettings)


def test_no_secret_has_a_default():
    for settings in (DatabaseSettings, ServiceSettings):
        for name, field in settings.model_fields.items():
            if field.annotation is SecretStr:
                assert field.is_required(), f"{name} must be given, never guessed"


@pytest.mark.parametrize(
    ("ours", "theirs"), [("DATABASE_URL", "DB_URI"), ("SECRET_KEY", "JWT_SECRET_KEY")]
)
def test_the_seeds_names_are_understood(environment, ours, theirs):
    values = dict(GOOD)
    values[theirs] = values.pop(ours)
    environment(**values)

    settings = ServiceSettings.load()

    assert getattr(settings, ours.lower()).get_secret_value() == GOOD[ours]


def test_our_name_wins_over_the_seeds(environment):
    environment(**GOOD, DB_URI="mysql://other")

    assert ServiceSettings.load().database_url.get_secret_value() == GOOD["DATABASE_URL"]


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "AMQP_URL", "REDIS_URL", "SERVICE_TOKEN_KEY", "SECRET_KEY"]
)
def test_a_secret_can_lie_in_a_file(environment, tmp_path, name):
    values = dict(GOOD)
    file = tmp_path / "secret"
    file.write_text(values.pop(name) + "\n")
    environment(**values, **{f"{name}_FILE": str(file)})

    assert getattr(ServiceSettings.load(), name.lower()).get_secret_value() == GOOD[name]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("DATABASE_URL", "DB_URI"), ("SECRET_KEY", "JWT_SECRET_KEY")]
)
def test_a_secret_can_lie_in_a_file_under_the_seeds_name(environment, tmp_path, ours, theirs):
    values = dict(GOOD)
    (tmp_path / "secret").write_text(values.pop(ours) + "\n")
    environment(**values, **{f"{theirs}_FILE": str(tmp_path / "secret")})

    assert getattr(ServiceSettings.load(), ours.lower()).get_secret_value() == GOOD[ours]


def test_our_files_name_wins_over_the_seeds_and_the_environment_over_any_file(
    environment, tmp_path
):
    for name in ("ours", "theirs"):
        (tmp_path / name).write_text(f"mysql://{name}")
    files = {
        "DB_URI_FILE": str(tmp_path / "theirs"),
        "DATABASE_URL_FILE": str(tmp_path / "ours"),
    }
    environment(**{name: value for name, value in GOOD.items() if name != "DATABASE_URL"}, **files)
    assert ServiceSettings.load().database_url.get_secret_value() == "mysql://ours"

    environment(DB_URI="mysql://environment")
    assert ServiceSettings.load().database_url.get_secret_value() == "mysql://environment"


def test_a_weak_secret_in_a_file_is_refused_too(environment, tmp_path):
    values = dict(GOOD)
    values.pop("SECRET_KEY")
    (tmp_path / "secret").write_text("short")
    environment(**values, SECRET_KEY_FILE=str(tmp_path / "secret"))

    assert "SECRET_KEY: " in refusal_of(ServiceSettings)


def test_a_file_that_is_not_there_is_named(environment, tmp_path):
    environment(**GOOD, AMQP_URL_FILE=str(tmp_path / "absent"))

    assert str(tmp_path / "absent") in refusal_of(ServiceSettings)


def test_settings_never_change(environment):
    environment(**GOOD)

    with pytest.raises(ValidationError):
        ServiceSettings.load().http_port = 1


def test_other_programs_variables_are_none_of_our_business(environment):
    environment(**GOOD, PATH="/usr/bin", EDITOR="vi")

    assert not hasattr(ServiceSettings.load(), "editor")
