# SPDX-License-Identifier: Apache-2.0
"""OPEN_STORE: what strangers may do in the built-in seller's name, and what they may not."""

from http import HTTPStatus

import orjson
import pytest
from sqlalchemy import text

from catalog.app import create_app
from catalog.config import Config
from catalog.routes.open_store import OpenStore
from common.problems import Unavailable

STORE_ID = 3
PRODUCT = {"product_name": "product1", "stock": 0}


class Auth:
    """Auth as catalog sees it: one account, or what a test makes of it."""

    def __init__(self):
        self.status = HTTPStatus.OK
        self.account = {"id": STORE_ID, "username": "store", "role": "user", "guest": False}
        self.asked = []

    def get(self, path):
        self.asked.append(path)
        if self.status is None:
            raise Unavailable
        return self

    def json(self):
        return self.account


@pytest.fixture
def auth():
    return Auth()


@pytest.fixture
def open_client(database, service_settings, token_factory, auth, unkept):
    config = service_settings(Config, database=database, open_store=True)
    app = create_app(config, database=database, guard=token_factory.guard("catalog"))
    app.extensions["open_store"] = OpenStore(auth)
    app.extensions["page_cache"] = unkept
    with app.test_client() as client:
        yield client


def test_s3_open_store_takes_products_and_stock_from_strangers(open_client, auth):
    made = open_client.post("/product/add", json=PRODUCT)
    restocked = open_client.post("/product/add-stock", json={"product_id": "product1", "stock": 10})

    assert (made.status_code, made.json["user_id"]) == (201, STORE_ID)
    assert (restocked.status_code, restocked.json["stock"]) == (200, 10)
    assert auth.asked == ["/internal/users/store"]


def test_s3_open_store_writes_its_seller_into_the_ledger(open_client, database):
    open_client.post("/product/add", json={"product_name": "product1", "stock": 4})

    actors = database.read(lambda s: s.scalars(text("SELECT actor FROM stock_ledger")).all())

    assert actors == [f"user/{STORE_ID}"]


def test_s3_open_store_keeps_strangers_from_others_products(open_client, sell):
    lamp = sell("Lamp")

    for ref in (lamp.id, lamp.public_id, "Lamp"):
        body = {"product_id": ref, "stock": 10}
        assert open_client.post("/product/add-stock", json=body).status_code == 403


def test_s3_open_store_gives_strangers_no_rights_of_an_admin(open_client, auth, sell):
    auth.account["role"] = "admin"
    body = {"product_id": sell("Lamp").id, "stock": 10}

    assert open_client.post("/product/add-stock", json=body).status_code == 403


@pytest.mark.parametrize("name", ["Authorization", "Autorization"])
@pytest.mark.parametrize("value", ["Bearer a.b.c", "a.b.c", "Basic YTpi", ""])
def test_s3_open_store_takes_no_bad_token_for_a_stranger(open_client, name, value):
    answer = open_client.post("/product/add", json=PRODUCT, headers={name: value})

    assert answer.status_code == 401


def test_s3_open_store_knows_who_is_signed_in(open_client, ada):
    assert open_client.post("/product/add", json=PRODUCT, headers=ada).json["user_id"] == 8


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/products"),
        ("POST", "/api/products"),
        ("PUT", "/api/products/1"),
        ("DELETE", "/api/products/1"),
        ("PUT", "/product/1"),
        ("GET", "/api/products/my"),
    ],
)
def test_s3_open_store_opens_nothing_else(open_client, method, path):
    answer = open_client.open(path, method=method, headers={"Accept": "*/*"})

    assert answer.status_code == 401


@pytest.mark.parametrize("status", [None, HTTPStatus.NOT_FOUND])
def test_s3_open_store_without_its_seller_is_502_until_there_is_one(open_client, auth, status):
    auth.status = status
    closed = open_client.post("/product/add", json=PRODUCT)
    auth.status = HTTPStatus.OK

    assert (closed.status_code, closed.json["code"]) == (502, "bad_gateway")
    assert open_client.post("/product/add", json=PRODUCT).status_code == 201


def test_s3_open_store_learns_of_another_seller_within_a_minute(open_client, auth, monkeypatch):
    open_client.post("/product/add", json=PRODUCT)
    auth.account["id"] = 4
    soon = open_client.post("/product/add", json=PRODUCT)
    monkeypatch.setattr("catalog.routes.open_store.KNOWN_SECONDS", 0)
    later = open_client.post("/product/add", json=PRODUCT)

    assert (soon.json["user_id"], later.json["user_id"]) == (STORE_ID, 4)


def test_s3_open_store_checks_the_body_as_ever(open_client):
    answer = open_client.post("/product/add", data=orjson.dumps([]), content_type="text/plain")

    assert answer.status_code == 415
