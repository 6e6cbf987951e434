# SPDX-License-Identifier: Apache-2.0
"""Catalog with a replica that has stopped copying: what is seen by whom, and what it is asked."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalog.app import create_app
from catalog.config import Config
from common.db import Database, error_number
from common.migrations import migrate_to_head
from common.roles import migrations_of
from common.testing import eventually

READ_ONLY = 1290
READS = {"SELECT", "SET", "ROLLBACK"}


@pytest.fixture(scope="module")
def urls(replication):
    primary_url, copy_url = replication.create_schema("catalog")
    migrate_to_head(primary_url, migrations_of("catalog"))
    replication.catch_up()
    return primary_url, copy_url


@pytest.fixture
def shop(urls, service_settings, token_factory, unkept, monkeypatch):
    addresses = {"database_url": urls[0], "database_replica_url": urls[1]}
    config = service_settings(Config, replica_most_lag_seconds=5, **addresses)
    # What a busy machine takes is no fault of the copy's.
    monkeypatch.setattr("common.replica.READ_SECONDS", 30.0)
    monkeypatch.setattr("common.db.REQUEST_READ_SECONDS", 30.0)
    app = create_app(config, guard=token_factory.guard("catalog"))
    app.extensions["replica"]._most_lag = 60.0
    app.extensions["page_cache"] = unkept
    with app.test_client() as client:
        yield client
    app.extensions["database"].dispose()
    app.extensions["replica"].dispose()


@pytest.fixture
def orders(token_factory):
    return token_factory.service_bearer("orders") | {"X-Souk-Actor": "user/8"}


def price_seen(shop, product, headers=None):
    return shop.get(f"/v1/products/{product}", headers=headers).json["price"]


def use_the_copy(shop, replication):
    """Wait until the copy is asked, and stop it there: from now on it is old."""
    replica = shop.application.extensions["replica"]
    replication.catch_up()
    which = text("SELECT @@server_id")
    eventually(lambda: replica.read(lambda session: session.scalar(which)) == 2, what="it is near")
    replication.fall_behind()


def test_the_writer_sees_the_write_at_once_and_others_a_moment_later(
    shop, replication, grace, orders
):
    new = {"name": "Lamp", "price": "12.50", "quantity": 3}
    product = shop.post("/v1/products", json=new, headers=grace).json["id"]
    use_the_copy(shop, replication)

    shop.patch(f"/v1/products/{product}", json={"price": "10.00"}, headers=grace)

    assert price_seen(shop, product, grace) == "10.00"
    assert price_seen(shop, product) == "12.50"
    resolved = shop.get(f"/internal/products/resolve?refs={product}", headers=orders).json
    assert resolved["items"][0]["price"] == 1000
    replication.catch_up()
    assert price_seen(shop, product) == "10.00"


def test_the_copy_is_asked_for_nothing_but_reads(shop, replication, grace, orders, urls):
    new = {"name": "Lamp", "price": "12.50", "quantity": 3}
    product = shop.post("/v1/products", json=new, headers=grace).json["id"]
    use_the_copy(shop, replication)
    for statement in ("TRUNCATE mysql.general_log", "SET GLOBAL log_output = 'TABLE'"):
        replication.ask(replication.copy, statement)
    replication.ask(replication.copy, "SET GLOBAL general_log = 1")
    reserved = {"items": [{"product_id": product, "quantity": 1}]}

    answers = [
        shop.get("/v1/products"),
        shop.get(f"/v1/products/{product}"),
        shop.patch(f"/v1/products/{product}", json={"name": "Lamp 2"}, headers=grace),
        shop.post(f"/v1/products/{product}/stock", json={"set": 5}, headers=grace),
        shop.put(f"/internal/reservations/{uuid4()}", json=reserved, headers=orders),
        shop.delete(f"/v1/products/{product}", headers=grace),
    ]
    replication.ask(replication.copy, "SET GLOBAL general_log = 0")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 204]
    user = urls[1].split("//")[1].split(":")[0]
    asked = replication.ask(
        replication.copy,
        "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log"
        f" WHERE command_type = 'Query' AND user_host LIKE '{user}%'",
    )
    verbs = [statement.split()[0] for (statement,) in asked]
    assert verbs.count("SELECT") >= 2
    assert set(verbs) <= READS
    replication.catch_up()


def test_the_copy_would_have_refused_a_write(urls):
    copy = Database(urls[1])

    with pytest.raises(DBAPIError) as refused, copy.engine.begin() as connection:
        connection.execute(text("INSERT INTO heartbeats VALUES (9, UTC_TIMESTAMP(6))"))

    assert error_number(refused.value) == READ_ONLY
    copy.dispose()
