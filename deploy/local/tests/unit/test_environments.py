# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest

from souk_local.compose.env_file import variables
from souk_local.environments import Environments
from souk_local.keyring import SERVICES, Keyring
from souk_local.ports import Ports
from souk_local.programs import servers_of

DIRECTORY = Path("/srv/souk/.run")


@pytest.fixture(scope="module")
def environments():
    return Environments(DIRECTORY, Ports(), Keyring.generate(), Path("/srv/souk/gateway"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_database_broker_user_and_port(environments, service):
    own = environments.service(service)
    keyring = environments.keyring
    assert own["DATABASE_URL"] == (
        f"mysql+pymysql://{service}:{keyring.database[service]}@127.0.0.1:9306/{service}"
    )
    assert own["AMQP_URL"] == f"amqp://{service}:{keyring.broker[service]}@127.0.0.1:9672/souk"
    assert own["HTTP_PORT"] == str(getattr(Ports(), service))
    assert own["WORKER_PORT"] == str(getattr(Ports(), f"{service}_worker"))


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_gets_a_secret_of_another(environments, service):
    said = " ".join(environments.service(service).values())
    keyring = environments.keyring
    for secrets in (keyring.database, keyring.broker, keyring.signing):
        for owner, secret in secrets.items():
            assert (secret in said) == (owner == service)
    for secret in (keyring.database_root, keyring.view_log, keyring.admin_password):
        assert secret not in said


def test_only_auth_is_told_where_the_signing_key_lies(environments):
    told = [s for s in SERVICES if "JWT_PRIVATE_KEY_FILE" in environments.service(s)]
    assert told == ["auth"]


def test_only_notifier_is_told_how_to_mail(environments):
    told = [s for s in SERVICES if "MAIL_BACKEND" in environments.service(s)]
    assert told == ["notifier"]
    assert environments.service("notifier")["MAIL_DIR"] == str(DIRECTORY / "mail")


def test_the_shipper_gets_no_database(environments):
    shipper = environments.shipper()
    assert "DATABASE_URL" not in shipper
    assert shipper["AMQP_URL"].startswith("amqp://gateway:")
    assert shipper["VIEW_LOG"] == str(environments.nginx.view_log)
    assert shipper["VIEW_LOG_KEY"] == environments.keyring.view_log


def test_the_gateway_gets_no_secret(environments):
    said = " ".join(environments.nginx.settings.values())
    assert not [secret for secret in variables(environments.keyring).values() if secret in said]


def test_web_workers_are_for_catalog_and_orders(environments):
    scaled = replace(environments, web_workers=2)
    workers = {service: scaled.service(service)["WEB_WORKERS"] for service in SERVICES}
    assert workers == {
        "auth": "1",
        "catalog": "2",
        "orders": "2",
        "notifier": "1",
        "analytics": "1",
    }


def test_servers_show_no_secret(environments):
    shown = repr(servers_of(environments))
    assert environments.keyring.database_root not in shown
    assert environments.keyring.redis not in shown
    assert environments.keyring.broker["auth"] not in shown
    assert environments.keyring.view_log not in shown


def test_the_store_is_closed_unless_the_operator_opens_it(environments):
    opened = replace(environments, open_store=True)

    assert environments.service("orders")["OPEN_STORE"] == "false"
    assert opened.service("orders")["OPEN_STORE"] == "true"
