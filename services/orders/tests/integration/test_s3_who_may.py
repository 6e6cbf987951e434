# SPDX-License-Identifier: Apache-2.0
"""Who may call S3's rows: customers, guests with and without a token, admins."""

import pytest
from catalog_stub import CHAIR, LAMP
from s3_client import ADA, BOB, GUEST, add, click, lines, remove

from orders.commands.customers import remember_customer


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
