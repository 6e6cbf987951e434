# SPDX-License-Identifier: Apache-2.0
"""Who may call what, and what a bad request gets."""

import pytest
from catalog_stub import LAMP

from common.testing import ever_within

ORDER = "5b7e4a52-9d0f-4a6e-8d77-0f4b4f5c1a11"
CLOSED = [
    ("GET", "/v1/cart"),
    ("DELETE", "/v1/cart"),
    ("PUT", "/v1/cart/items/11"),
    ("DELETE", "/v1/cart/items/11"),
    ("POST", "/v1/orders"),
    ("GET", "/v1/orders"),
    ("GET", f"/v1/orders/{ORDER}"),
    ("POST", f"/v1/orders/{ORDER}/cancel"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_without_a_token_nothing_but_totals_is_open(app, method, path):
    answer = app.test_client().open(path, method=method, json={"quantity": 1})

    assert (answer.status_code, answer.json["code"]) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "claims", [{"exp": 1}, {"aud": "internal"}, {"iss": "x"}, {"typ": "refresh"}, {"role": "god"}]
)
def test_a_bad_token_is_no_token(app, token_factory, claims):
    headers = {"Authorization": f"Bearer {token_factory.token(1, **claims)}"}

    assert app.test_client().get("/v1/cart", headers=headers).status_code == 401


def test_a_dead_token_orders_nothing(ada, token_factory, ledger):
    token_factory.epochs[1] = 1
    try:
        answer = ada.order("k", (LAMP, 1))
    finally:
        del token_factory.epochs[1]

    assert answer.status_code == 401
    assert ledger.statuses() == []


def test_a_services_token_is_no_customers(app, token_factory):
    headers = token_factory.service_bearer("catalog")

    assert app.test_client().get("/v1/orders", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"items": NaN}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"items": [' * 10_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"items=1", "application/x-www-form-urlencoded", 415),
        (b"[]", "application/json", 422),
        (b'"cart"', "application/json", 422),
        (b"null", "application/json", 422),
        (b'{"items": null}', "application/json", 422),
        (b'{"items": [], "id": 1}', "application/json", 422),
        (b'{"items": [{"product": 11, "quantity": 1, "unit_price": 1}]}', "application/json", 422),
        (b'{"items": [{"product": 11, "quantity": 1e999}]}', "application/json", 400),
        (b'{"items": [{"product": 11, "quantity": true}]}', "application/json", 422),
        (b'{"items": [{"product": 11, "quantity": "1"}]}', "application/json", 422),
        (b'{"items": [{"product": "\\u0000", "quantity": 1}]}', "application/json", 422),
        (b'{"expected_total": "1.001"}', "application/json", 422),
        (b'{"expected_total": 1e30}', "application/json", 422),
    ],
)
def test_a_bad_body_gets_its_problem_and_leaves_no_trace(ada, ledger, body, kind, status):
    answer = ada.client.post(
        "/v1/orders",
        headers=ada.headers | {"Idempotency-Key": "k"},
        data=body,
        content_type=kind,
    )

    assert answer.status_code == status, answer.json
    assert answer.content_type == "application/problem+json"
    assert ledger.statuses() == []


def test_more_than_a_hundred_products_are_refused(ada, ledger):
    answer = ada.order("k", *((number, 1) for number in range(1, 102)))

    assert answer.status_code == 422
    assert "items" in answer.json["errors"]
    assert ledger.statuses() == []


def test_more_than_a_million_units_are_refused_also_in_parts(ada, ledger):
    answer = ada.order("k", (LAMP, 600_000), ("LAMP-1", 600_000))

    assert answer.status_code == 422
    assert ledger.statuses() == []


@pytest.mark.parametrize("path", ["/v1/cart/", "/v1/orders/"])
def test_a_path_works_with_a_trailing_slash(ada, path):
    assert ada.get(path).status_code == 200


def test_a_wrong_method_is_named(ada):
    answer = ada.put("/v1/orders", {})

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_database_that_is_gone_is_a_503(service_settings, token_factory, new_schema, catalog_url):
    from common.db import Database  # noqa: PLC0415 - this one is broken
    from orders.app import create_app  # noqa: PLC0415
    from orders.config import Config  # noqa: PLC0415

    database = Database("mysql+pymysql://nobody:x@127.0.0.1:1/orders", pool_wait=0.5)
    config = service_settings(Config, database=database, catalog_url=catalog_url)
    app = create_app(config, database=database, guard=token_factory.guard("orders"))

    def refused():
        answer = app.test_client().post(
            "/v1/orders",
            headers=token_factory.bearer() | {"Idempotency-Key": "k"},
            json={"items": [{"product": LAMP, "quantity": 1}]},
        )
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers

    assert ever_within(3, refused)
    assert app.test_client().get("/readyz").status_code == 503
    assert app.test_client().get("/healthz").status_code == 200


def test_the_document_names_the_key_and_how_an_order_is_refused(app):
    with app.app_context():
        paths = app.spec["paths"]

    for path, needed in (("/v1/orders", True), ("/order/add", False)):
        [key] = paths[path]["post"]["parameters"]
        assert (key["name"], key["in"], key["required"]) == ("Idempotency-Key", "header", needed)
        refusals = paths[path]["post"]["responses"]
        assert "idempotency_key_invalid" in refusals["400"]["description"]
        assert "insufficient_stock" in refusals["409"]["description"]
        assert "empty_order" in refusals["422"]["description"]
    assert "price_changed" in paths["/v1/orders"]["post"]["responses"]["409"]["description"]
