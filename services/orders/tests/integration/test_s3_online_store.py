# SPDX-License-Identifier: Apache-2.0
"""S3's rows: carts, orders, and a double click that is one order."""

import sys
from threading import Event, Thread

import pytest
from catalog_stub import CHAIR, LAMP, RUG
from sqlalchemy import func, select

from common.idempotency import idempotency_keys
from common.testing import eventually
from orders import checkout as checkouts
from orders.commands.carts import add_cart_lines
from orders.commands.customers import remember_customer
from orders.models import CartItem

ADA, BOB, GUEST = 1, 2, 7


def click(customer, customer_id=ADA, **headers):
    return customer.client.post(
        "/order/add", headers=customer.headers | headers, json={"customer_id": customer_id}
    )


def keyed(customer, key):
    return click(customer, **{"Idempotency-Key": key})


def say(customer, path, customer_id=ADA, **body):
    return customer.client.post(
        path, headers=customer.headers, json={"customer_id": customer_id, **body}
    )


def add(customer, product, quantity=1, customer_id=ADA):
    return say(customer, "/cart/add", customer_id, product_id=product, quantity=quantity)


def remove(customer, product, customer_id=ADA):
    return say(customer, "/cart/remove", customer_id, product_id=product)


def lines(answer):
    return {line["product_id"]: line["quantity"] for line in answer.json["items"]}


@pytest.fixture
def registered(database):
    """Lets orders hear of a customer from auth."""

    def hear(customer_id, *, guest=False, deleted=False):
        database.run(
            remember_customer,
            customer_id=customer_id,
            username=f"customer{customer_id}",
            is_guest=guest,
            is_deleted=deleted,
            version=1,
        )

    return hear


@pytest.fixture
def stranger(ada):
    """Somebody without a token."""
    ada.headers = {}
    return ada


# --- the cart -------------------------------------------------------------------------------------


def test_s3_get_cart_is_empty_at_first(ada):
    answer = ada.get(f"/cart/{ADA}")

    assert (answer.status_code, answer.json) == (200, {"customer_id": ADA, "items": []})


def test_s3_cart_add_answers_the_cart(ada):
    answer = add(ada, LAMP, 2)

    assert answer.status_code == 201
    assert answer.json == {
        "customer_id": ADA,
        "items": [
            {
                "product_id": LAMP,
                "product_name": "Lamp",
                "quantity": 2,
                "price": 12.5,
                "available": 10,
            }
        ],
    }
    assert ada.get(f"/cart/{ADA}").json == ada.get(f"/cart/{ADA}/").json == answer.json


def test_s3_cart_add_adds_to_the_line_by_any_name(ada):
    for ref in (LAMP, str(LAMP), "LAMP-1", "public000011"):
        assert add(ada, ref).status_code == 201

    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 4}


def test_s3_a_cart_may_want_more_than_there_is(ada):
    answer = add(ada, RUG, 1_000_000)

    assert answer.status_code == 201
    assert answer.json["items"][0]["available"] == 1


def test_s3_a_line_has_at_most_a_million_units(ada):
    add(ada, RUG, 1_000_000)

    answer = add(ada, RUG, 1)

    assert answer.status_code == 422
    assert "quantity" in answer.json["errors"]


def test_s3_a_cart_holds_a_hundred_products(ada, database):
    units = dict.fromkeys(range(1000, 1100), 1)
    database.run(add_cart_lines, customer_id=ADA, units=units)

    answer = add(ada, LAMP)

    assert (answer.status_code, answer.json["code"]) == (409, "cart_full")


def test_s3_cart_remove_takes_the_line_out(ada):
    add(ada, LAMP, 2)
    add(ada, CHAIR)

    answer = remove(ada, "LAMP-1")

    assert answer.status_code == 200
    assert lines(answer) == {CHAIR: 1}


def test_s3_cart_remove_of_what_is_not_in_it_is_a_404(ada):
    answer = remove(ada, LAMP)

    assert (answer.status_code, answer.json["code"]) == (404, "not_in_cart")


@pytest.mark.parametrize("ref", [404, "nothing", "a,b", "9" * 30])
def test_s3_what_names_no_product_is_a_404(ada, ref):
    assert add(ada, ref).json["code"] == "product_not_found"
    assert add(ada, ref).status_code == remove(ada, ref).status_code == 404


def test_s3_a_product_that_is_no_longer_sold_has_no_price(ada, catalog):
    add(ada, LAMP)
    del catalog.products[LAMP]

    [line] = ada.get(f"/cart/{ADA}").json["items"]

    assert (line["product_name"], line["price"], line["available"]) == (None, None, 0)


def test_s3_carts_added_to_at_once_lose_nothing(shopper):
    customers = [shopper() for _ in range(6)]

    at_once(*[lambda c=customer: add(c, LAMP) for customer in customers])

    assert lines(customers[0].get(f"/cart/{ADA}")) == {LAMP: 6}


# --- the order ------------------------------------------------------------------------------------


def test_s3_order_add_orders_all_that_is_in_the_cart(ada, catalog, ledger):
    add(ada, LAMP, 2)
    add(ada, RUG)

    answer = click(ada)

    assert answer.status_code == 201
    order_id = answer.json["order_id"]
    assert answer.json == {
        "order_id": order_id,
        "customer_id": ADA,
        "items": [
            {
                "product_id": LAMP,
                "product_name": "Lamp",
                "sku": "LAMP-1",
                "quantity": 2,
                "price": 12.5,
                "subtotal": 25,
            },
            {
                "product_id": RUG,
                "product_name": "Rug",
                "sku": "GARISH-RUG",
                "quantity": 1,
                "price": 99.99,
                "subtotal": 99.99,
            },
        ],
        "total": 124.99,
        "status": "confirmed",
    }
    assert ada.get(f"/cart/{ADA}").json["items"] == []
    assert catalog.available(LAMP) == 8
    assert ledger.event_types() == ["OrderPlaced"]
    assert ada.get(f"/v1/orders/{order_id}").json["total"] == "124.99"


def test_s3_order_add_names_every_short_line_and_takes_nothing(ada, catalog, ledger):
    add(ada, LAMP, 11)
    add(ada, CHAIR, 1)
    add(ada, RUG, 2)

    answer = click(ada)

    assert (answer.status_code, answer.json["code"]) == (409, "insufficient_stock")
    assert answer.content_type == "application/problem+json"
    assert answer.json["instance"] == "/order/add"
    assert answer.json["items"] == [
        {"product_id": LAMP, "requested": 11, "available": 10},
        {"product_id": RUG, "requested": 2, "available": 1},
    ]
    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 11, CHAIR: 1, RUG: 2}
    assert [catalog.available(product) for product in (LAMP, CHAIR, RUG)] == [10, 3, 1]
    assert ledger.event_types() == []


def test_s3_a_refusal_does_not_stick(ada, catalog):
    add(ada, RUG, 2)
    assert click(ada).status_code == 409
    catalog.products[RUG]["available"] = 2

    assert click(ada).status_code == 201


def test_s3_order_add_of_an_empty_cart_is_a_422(ada, ledger):
    answer = click(ada)

    assert (answer.status_code, answer.json["code"]) == (422, "empty_order")
    assert ledger.statuses() == []


def test_s3_order_add_of_a_product_that_is_gone_is_a_404(ada, catalog):
    add(ada, LAMP)
    del catalog.products[LAMP]

    answer = click(ada)

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")
    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 1}


def test_s3_order_add_without_catalog_is_a_502_and_keeps_the_cart(ada, catalog, ledger):
    add(ada, LAMP)
    catalog.mood = "away"
    answer = click(ada)
    catalog.mood = "well"

    assert (answer.status_code, answer.json["code"]) == (502, "bad_gateway")
    assert ledger.event_types() == ["OrderRejected"]
    assert click(ada).status_code == 201


def test_s3_the_clients_own_key_replays_the_same_bytes(ada, ledger):
    add(ada, LAMP)
    first = keyed(ada, "k")
    add(ada, LAMP)
    again = keyed(ada, "k")

    assert (again.status_code, again.data) == (201, first.data)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ledger.statuses() == ["confirmed"]
    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 1}


def test_s3_a_key_is_the_same_order_on_v1(ada):
    add(ada, LAMP)
    there = keyed(ada, "k").json

    here = ada.order("k").json

    assert (here["id"], here["total"]) == (there["order_id"], "12.50")
    assert ada.order("k", (LAMP, 1)).json["code"] == "idempotency_key_reused"


def test_s3_a_key_that_was_used_for_other_things_is_a_422(ada):
    ada.order("k", (LAMP, 1))
    add(ada, LAMP)

    answer = keyed(ada, "k")

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel"])
def test_s3_what_is_no_key_is_a_400(ada, ledger, key):
    add(ada, LAMP)

    assert keyed(ada, key).status_code == 400
    assert ledger.statuses() == []


# --- the double click -----------------------------------------------------------------------------


def at_once(*calls):
    """What these calls answered, each in a thread of its own."""
    answers = [None] * len(calls)

    def run(index, call):
        answers[index] = call()

    threads = [Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def clicking(shopper, key=None):
    customer = shopper()
    return lambda: keyed(customer, key) if key else click(customer)


@pytest.fixture
def clicks(catalog, shopper, checkout, monkeypatch):
    """Clicks once, and again while catalog still thinks; gives the answers, the first one first.

    Each key is one click's own, None for a click without. *meanwhile* happens before catalog
    decides.
    """
    waiting = []
    wait_for = checkout._wait_for

    def wait(other):
        waiting.append(other)
        return wait_for(other)

    monkeypatch.setattr(checkout, "_wait_for", wait)

    def run(first, *others, meanwhile=lambda: None):
        add(shopper(), LAMP, 2)
        catalog.gate.clear()

        def let_go():
            eventually(lambda: len(waiting) == len(others), what="the other clicks")
            meanwhile()
            catalog.gate.set()

        def follow(key):
            call = clicking(shopper, key)

            def go():
                eventually(lambda: catalog.waiting, what="the reserve command")
                return call()

            return go

        found = at_once(clicking(shopper, first), let_go, *[follow(key) for key in others])
        return [found[0], *found[2:]]

    return run


def test_s3_a_double_click_is_one_order_and_both_are_told(clicks, shopper, catalog, ledger):
    placed, *others = clicks(None, None, None)

    assert placed.status_code == 201
    assert {(answer.status_code, answer.data) for answer in others} == {(201, placed.data)}
    assert {answer.headers.get("Idempotent-Replayed") for answer in others} == {"true"}
    assert ledger.statuses() == ["confirmed"]
    assert catalog.available(LAMP) == 8
    assert click(shopper()).json["code"] == "empty_order"


def test_s3_clicks_at_once_are_one_order(shopper, catalog, ledger):
    for left in (9, 8, 7):
        add(shopper(), LAMP)

        found = at_once(*[clicking(shopper) for _ in range(6)])

        # Who comes when all is done finds an empty cart.
        assert {answer.status_code for answer in found} <= {201, 422}
        assert len({answer.json["order_id"] for answer in found if answer.status_code == 201}) == 1
        assert catalog.available(LAMP) == left
    assert ledger.statuses() == ["confirmed"] * 3


def test_s3_a_double_click_with_one_key_is_one_order(clicks, ledger):
    one, other = clicks("k", "k")

    assert (one.status_code, one.data) == (other.status_code, other.data)
    assert ledger.statuses() == ["confirmed"]


def test_s3_the_second_clicks_own_key_is_that_order_too(clicks, shopper, ledger):
    placed, other = clicks("one", "two")
    add(shopper(), LAMP)

    again = keyed(shopper(), "two")

    assert placed.data == other.data == again.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ledger.statuses() == ["confirmed"]


def test_s3_a_double_click_is_refused_twice(clicks, shopper, catalog, ledger):
    catalog.products[LAMP]["available"] = 1

    one, other = clicks(None, None)

    assert one.status_code == 409
    assert (other.status_code, other.data) == (409, one.data)
    assert ledger.statuses() == ["rejected"]
    catalog.products[LAMP]["available"] = 2
    assert click(shopper()).status_code == 201


def test_s3_a_double_click_while_catalog_goes_away_is_a_502_twice(clicks, catalog, ledger):
    def go_away():
        catalog.mood = "away"

    answers = clicks(None, None, meanwhile=go_away)

    assert [answer.status_code for answer in answers] == [502, 502]
    assert ledger.statuses() == ["rejected"]


def test_s3_a_click_does_not_wait_for_ever(clicks, checkout, monkeypatch):
    monkeypatch.setattr(checkouts, "PAUSES", (0.01, 0.02))
    given_up, wait_for = Event(), checkout._wait_for

    def wait(other):
        try:
            return wait_for(other)
        finally:
            given_up.set()

    monkeypatch.setattr(checkout, "_wait_for", wait)

    placed, other = clicks(None, None, meanwhile=lambda: given_up.wait(10))

    assert (other.status_code, other.json["code"]) == (409, "in_progress")
    assert other.headers["Retry-After"] == "1"
    assert placed.status_code == 201


def test_s3_pauses_grow_to_three_seconds():
    assert sum(checkouts.PAUSES) == pytest.approx(3)
    assert list(checkouts.PAUSES) == sorted(checkouts.PAUSES)


def test_s3_an_order_whose_process_died_is_settled_by_the_sweep(
    ada, database, checkout, ledger, monkeypatch
):
    """The customer who clicks again meanwhile is told to wait, and finds one order at the end."""
    monkeypatch.setattr(checkouts, "PAUSES", (0.01,))
    add(ada, LAMP)
    with monkeypatch.context() as dying:
        dying.setattr(checkout._endings, "_reserve_all", lambda _held: sys.exit())
        with pytest.raises(SystemExit):
            click(ada)
    assert click(ada).json["code"] == "in_progress"
    ledger.lapse()

    assert checkout.sweep() == 1

    assert ledger.statuses() == ["confirmed"]
    assert click(ada).json["code"] == "empty_order"
    with database.sessions() as session:
        assert session.scalars(select(func.count()).select_from(idempotency_keys)).one() == 1
        assert session.scalars(select(func.count()).select_from(CartItem)).one() == 0


# --- who may --------------------------------------------------------------------------------------

CALLS = [
    ("GET", f"/cart/{ADA}", None),
    ("POST", "/cart/add", {"customer_id": ADA, "product_id": LAMP, "quantity": 1}),
    ("POST", "/cart/remove", {"customer_id": ADA, "product_id": LAMP}),
    ("POST", "/order/add", {"customer_id": ADA}),
]


def call(customer, method, path, body, customer_id):
    path = path.replace(f"/{ADA}", f"/{customer_id}")
    body = body and body | {"customer_id": customer_id}
    return customer.client.open(path, method=method, headers=customer.headers, json=body)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_s3_without_a_token_the_store_is_closed(stranger, registered, method, path, body):
    registered(GUEST, guest=True)
    for customer_id in (ADA, GUEST, 404):
        answer = call(stranger, method, path, body, customer_id)

        assert (answer.status_code, answer.json["code"]) == (401, "token_missing")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
@pytest.mark.parametrize("open_store", [False, True])
def test_s3_a_bad_token_is_a_401(ada, token_factory, registered, method, path, body):
    registered(GUEST, guest=True)
    good = token_factory.token(GUEST)
    for header in (
        f"Bearer {token_factory.token(GUEST, exp=1)}",
        f"Bearer {good[:-4]}AAAA",
        "Bearer x",
        "Basic x",
        "Bearer ",
    ):
        ada.headers = {"Authorization": header}

        assert call(ada, method, path, body, GUEST).status_code == 401


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_s3_before_the_token_nothing_else_is_looked_at(stranger, method, path, body):
    if body is not None:
        answer = stranger.client.open(path, method=method, data=b"{", content_type="text/plain")

        assert answer.status_code == 401


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
@pytest.mark.parametrize("open_store", [False, True])
def test_s3_somebody_elses_token_is_a_403(ada, bob, registered, method, path, body):
    add(ada, LAMP)
    registered(GUEST, guest=True)
    for customer_id in (ADA, GUEST, 404):
        answer = call(bob, method, path, body, customer_id)

        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert lines(ada.get(f"/cart/{ADA}")) == {LAMP: 1}


def test_s3_an_admin_may_shop_for_a_customer(root, ada, registered):
    registered(ADA)

    assert add(root, LAMP).status_code == 201
    assert lines(root.get(f"/cart/{ADA}")) == {LAMP: 1}
    assert click(root).json["customer_id"] == ADA
    assert len(ada.get("/v1/orders").json["items"]) == 1


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_s3_an_unknown_or_deleted_customer_is_a_404(root, registered, method, path, body):
    registered(BOB, deleted=True)
    for customer_id in (404, BOB):
        answer = call(root, method, path, body, customer_id)

        assert (answer.status_code, answer.json["code"]) == (404, "customer_not_found")


def test_s3_auth_is_asked_about_a_customer_of_whom_nobody_heard(root, catalog):
    catalog.documents[f"/internal/users/{ADA}"] = {
        "id": ADA,
        "username": "ada",
        "role": "user",
        "guest": False,
    }

    assert root.get(f"/cart/{ADA}").status_code == 200


@pytest.mark.parametrize("mood", ["away", "cut", "babbling"])
def test_s3_without_auth_nobody_knows_a_customer(root, catalog, mood):
    catalog.mood = mood

    answer = root.get(f"/cart/{ADA}")

    assert (answer.status_code, answer.json["code"]) == (502, "bad_gateway")


def test_s3_a_guests_own_token_is_enough(shopper):
    guest = shopper(GUEST)

    assert add(guest, LAMP, customer_id=GUEST).status_code == 201
    assert click(guest, GUEST).status_code == 201


@pytest.mark.parametrize("open_store", [True])
def test_s3_an_open_store_lets_guests_shop_without_a_token(stranger, registered, ledger):
    registered(GUEST, guest=True)

    assert add(stranger, LAMP, 2, customer_id=GUEST).status_code == 201
    assert add(stranger, CHAIR, customer_id=GUEST).status_code == 201
    assert remove(stranger, CHAIR, customer_id=GUEST).status_code == 200
    assert lines(stranger.get(f"/cart/{GUEST}")) == {LAMP: 2}
    assert click(stranger, GUEST).json["customer_id"] == GUEST
    assert ledger.statuses() == ["confirmed"]


@pytest.mark.parametrize("open_store", [True])
def test_s3_an_open_store_asks_auth_about_a_new_guest(stranger, catalog):
    catalog.documents[f"/internal/users/{GUEST}"] = {"id": GUEST, "guest": True}

    assert add(stranger, LAMP, customer_id=GUEST).status_code == 201


@pytest.mark.parametrize("open_store", [True])
@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_s3_an_open_store_never_opens_a_customer_with_a_password(
    stranger, registered, catalog, method, path, body
):
    registered(ADA)
    catalog.documents[f"/internal/users/{BOB}"] = {"id": BOB, "guest": False}
    for customer_id in (ADA, BOB):
        answer = call(stranger, method, path, body, customer_id)

        assert (answer.status_code, answer.json["code"]) == (401, "token_missing")


@pytest.mark.parametrize("open_store", [True])
@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_s3_an_open_store_knows_nobody_who_is_not_there(stranger, registered, method, path, body):
    registered(GUEST, guest=True, deleted=True)
    for customer_id in (404, GUEST):
        answer = call(stranger, method, path, body, customer_id)

        assert (answer.status_code, answer.json["code"]) == (404, "customer_not_found")


@pytest.mark.parametrize("open_store", [True])
def test_s3_an_open_store_opens_nothing_else(stranger, registered):
    registered(GUEST, guest=True)

    assert stranger.get("/v1/cart").status_code == 401
    assert stranger.client.get(f"/addToCars/{GUEST}", headers={"Accept": "*/*"}).status_code == 401


# --- hostile bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer_id": ADA, "product_id": LAMP},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 0},
        {"customer_id": ADA, "product_id": LAMP, "quantity": -1},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 1.5},
        {"customer_id": ADA, "product_id": LAMP, "quantity": True},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 2**63},
        {"customer_id": ADA, "product_id": LAMP, "quantity": 1, "price": 1},
        {"customer_id": ADA, "product_id": None, "quantity": 1},
        {"customer_id": ADA, "product_id": "\u0000", "quantity": 1},
        {"customer_id": ADA, "product_id": {"$ne": 1}, "quantity": 1},
        {"customer_id": str(ADA), "product_id": LAMP, "quantity": 1},
        {"customer_id": True, "product_id": LAMP, "quantity": 1},
        {"customer_id": 0, "product_id": LAMP, "quantity": 1},
        {"customer_id": 2**63, "product_id": LAMP, "quantity": 1},
        [],
        None,
    ],
)
def test_s3_a_wrong_body_is_a_422(ada, body):
    answer = ada.client.post("/cart/add", headers=ada.headers, json=body)

    assert answer.status_code == 422
    assert ada.get(f"/cart/{ADA}").json["items"] == []


@pytest.mark.parametrize("path", ["/cart/remove", "/order/add"])
@pytest.mark.parametrize(
    "body", [{}, {"customer_id": None}, {"customer_id": "1"}, {"customer_id": 1, "x": 1}, [], "x"]
)
def test_s3_a_wrong_body_is_a_422_elsewhere_too(ada, path, body):
    assert ada.client.post(path, headers=ada.headers, json=body).status_code == 422


@pytest.mark.parametrize("path", ["/cart/add", "/cart/remove", "/order/add"])
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", "application/json", 400), (b"\xff", "application/json", 400), (b"{}", "text/xml", 415)],
)
def test_s3_what_is_no_json_is_refused(ada, path, body, kind, status):
    answer = ada.client.post(path, headers=ada.headers, data=body, content_type=kind)

    assert answer.status_code == status


@pytest.mark.parametrize("customer_id", ["x", "-1", "1.5", "%00", "me"])
def test_s3_what_is_no_customers_number_is_a_404(ada, customer_id):
    assert ada.get(f"/cart/{customer_id}").status_code == 404


@pytest.mark.parametrize("customer_id", [0, 2**63, 10**30])
def test_s3_a_number_that_nobody_can_have_is_a_404(root, customer_id):
    assert root.get(f"/cart/{customer_id}").status_code == 404


# --- the total ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", [LAMP, "LAMP-1", "public000011"])
def test_s3_order_product_says_anybody_how_many_were_ordered(app, ada, bob, ref):
    add(ada, LAMP, 2)
    click(ada)
    cancelled = bob.order("k", (LAMP, 3)).json["id"]
    bob.order("other", (LAMP, 1))
    bob.post(f"/v1/orders/{cancelled}/cancel")

    answer = app.test_client().get(f"/order/product/{ref}")

    assert answer.status_code == 200
    assert answer.json == {"product_id": LAMP, "total_quantity": 3}


@pytest.mark.parametrize("ref", ["404", "0", "9" * 30, "nothing", "a,b", "%00"])
def test_s3_order_product_of_none_is_a_404(app, ref):
    answer = app.test_client().get(f"/order/product/{ref}")

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")


def test_s3_order_product_without_catalog_is_a_502(app, catalog):
    catalog.mood = "away"

    assert app.test_client().get(f"/order/product/{LAMP}").status_code == 502
