# SPDX-License-Identifier: Apache-2.0
"""Admins, demo data and schemas."""

import json

import pytest
from sqlalchemy import text

from soukctl.demo import PRODUCTS

SERVICES = ("auth", "catalog")
SECRET = "quite another password"


def test_an_admin_is_made_whose_password_nobody_sees(soukctl):
    outcome = soukctl(
        "create-admin", "--username", "ada", "--email", "ada@example.com", input=f"{SECRET}\n" * 2
    )

    assert outcome.exit_code == 0, outcome.output
    assert "ada is an admin" in outcome.stdout
    assert SECRET not in outcome.output
    assert soukctl("create-admin", "--json").exit_code == 0


def test_the_new_admin_gets_in(soukctl, monkeypatch):
    monkeypatch.setenv("ADMIN_USERNAME", "ada")
    monkeypatch.setenv("ADMIN_EMAIL", "ada@example.com")
    monkeypatch.setenv("ADMIN_PASSWORD", SECRET)
    assert "could not log in" in soukctl("products", "export").stderr

    assert json.loads(soukctl("create-admin", "--json").stdout)["username"] == "ada"
    assert soukctl("products", "export").exit_code == 0


def test_a_weak_password_is_refused_by_auth_s_own_rule(soukctl, monkeypatch):
    monkeypatch.setenv("ADMIN_PASSWORD", "password1")
    outcome = soukctl("create-admin")

    assert outcome.exit_code == 2
    assert "one of the passwords that are tried first" in outcome.stderr
    assert "password1" not in outcome.output


def test_demo_data_may_be_made_twice(soukctl, monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", SECRET)
    for _ in range(2):
        outcome = soukctl("seed", "--json")
        assert json.loads(outcome.stdout) == {"products": len(PRODUCTS), "customer": "demo"}

    assert len(soukctl("products", "export").stdout.splitlines()) == 1 + len(PRODUCTS)


@pytest.fixture
def empty(new_schema, monkeypatch):
    """Schemas with nothing in them."""
    urls = {service: new_schema(service) for service in SERVICES}
    for service, url in urls.items():
        monkeypatch.setenv(f"{service.upper()}_DATABASE_URL", url)
    return urls


def test_schemas_are_migrated_once_and_then_as_the_code_wants_them(soukctl, empty, database_of):
    assert soukctl("db", "wait", *SERVICES).exit_code == 0
    behind = soukctl("db", "check", *SERVICES)
    assert behind.exit_code == 1
    assert "Migrations are missing." in behind.stdout

    first, again = (soukctl("db", "migrate", *SERVICES, "--json") for _ in range(2))

    said = [[one["said"] for one in json.loads(run.stdout)["schemas"]] for run in (first, again)]
    assert said == [["migrated"] * 2, ["was up to date"] * 2]
    assert soukctl("db", "check", *SERVICES).exit_code == 0


def test_a_schema_that_somebody_changed_by_hand_is_named(soukctl, catalog):
    with catalog.engine.begin() as connection:
        connection.execute(text("ALTER TABLE products ADD COLUMN planted INT"))
    try:
        outcome = soukctl("db", "check", "catalog", "--json")
    finally:
        with catalog.engine.begin() as connection:
            connection.execute(text("ALTER TABLE products DROP COLUMN planted"))

    assert outcome.exit_code == 1
    [verdict] = json.loads(outcome.stdout)["schemas"]
    assert "planted" in verdict["faults"][0]


def test_a_database_that_stays_away_is_not_waited_for_without_an_end(soukctl, monkeypatch):
    monkeypatch.setenv("AUTH_DATABASE_URL", "mysql+pymysql://nobody:x@127.0.0.1:1/none")

    outcome = soukctl("db", "wait", "auth", "--seconds", "0")

    assert outcome.exit_code == 1
    assert "The database of auth does not answer." in outcome.stdout
