# SPDX-License-Identifier: Apache-2.0
"""``python -m auth create-admin``."""

import pytest
from click.testing import CliRunner

from auth.__main__ import cli

PASSWORD = "correct horse battery staple"


@pytest.fixture
def create_admin(database, make_config, private_key, monkeypatch):
    config = make_config()
    monkeypatch.setenv("JWT_PRIVATE_KEY", private_key)
    for name in ("database_url", "amqp_url", "redis_url", "service_token_key", "secret_key"):
        monkeypatch.setenv(name.upper(), getattr(config, name).get_secret_value())

    def run(**admin):
        wanted = {"username": "root", "email": "root@example.com", "password": PASSWORD} | admin
        for name, value in wanted.items():
            monkeypatch.setenv(f"ADMIN_{name.upper()}", value)
        return CliRunner().invoke(cli, ["create-admin"])

    return run


@pytest.fixture
def log_in(client):
    return lambda login, password=PASSWORD: client.post(
        "/v1/auth/login", json={"login": login, "password": password}
    )


def test_it_makes_an_admin_whom_the_world_hears_of(create_admin, log_in, events):
    outcome = create_admin()

    assert outcome.exit_code == 0
    assert "root is an admin" in outcome.output
    assert PASSWORD not in outcome.output
    assert log_in("root").json["user"]["role"] == "admin"
    [envelope] = events()
    assert (envelope.type, envelope.data["role"]) == ("UserRegistered", "admin")
    assert envelope.data["email"] == "root@example.com"


def test_it_may_be_repeated_and_never_changes_a_password(create_admin, log_in, events):
    create_admin()

    outcome = create_admin(password="quite another password")

    assert outcome.exit_code == 0
    assert log_in("root").status_code == 200
    assert len(events()) == 1


def test_it_promotes_who_exists_and_kills_the_tokens_of_before(
    create_admin, add_user, user_now, events, redis
):
    ada = add_user("Root", email="ada@example.com")

    assert create_admin().exit_code == 0

    admin = user_now(ada.id)
    assert (admin.role, admin.email) == ("admin", "ada@example.com")
    assert admin.token_epoch == ada.token_epoch + 1
    assert redis.get(f"epoch:{ada.id}") == b"2"
    assert [envelope.type for envelope in events()] == ["UserRegistered", "UserChanged"]


def test_a_taken_address_ends_it_with_one_sentence(create_admin, add_user):
    add_user("ada", email="root@example.com")

    outcome = create_admin()

    assert outcome.exit_code == 1
    assert "Somebody else has this email address." in outcome.output


def test_wrong_settings_end_it_before_anything_happens(create_admin, events):
    outcome = create_admin(password="password1")

    assert outcome.exit_code == 1
    assert "ADMIN_PASSWORD" in outcome.output
    assert events() == []
