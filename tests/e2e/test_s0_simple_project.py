# SPDX-License-Identifier: Apache-2.0
"""S0, the simple project: every row and status of its table, through the gateway."""

import secrets

import pytest

from common.testing import eventually

PASSWORD = "a long sentence nobody guesses"


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


@pytest.fixture
def ada(shop):
    return shop.sign_up()


def name():
    return f"ada-{secrets.token_hex(4)}"


def code(answer):
    return answer.status_code, answer.json()["code"]


def test_s0_sign_up_and_sign_in_by_name_and_by_address(shop):
    visitor, username = shop.visitor(), name()
    body = {"username": username, "password": "12345", "email": f"{username}@mail.example"}

    made = visitor.post("/users/SignUp", body)
    by_name = visitor.post("/users/SignIn", {"username": username, "password": "12345"})
    by_address = visitor.post("/users/SignIn/", {"email": body["email"], "password": "12345"})

    assert made.status_code == 201, made.text
    assert made.json() == {
        "id": made.json()["id"],
        "username": username,
        "email": body["email"],
        "fullname": None,
        "rol": 2,
        "role": "user",
    }
    for answer in (by_name, by_address):
        assert answer.status_code == 200, answer.text
        assert answer.json()["user"] == made.json()
        assert answer.json()["token"] == answer.json()["access_token"]
        assert answer.json()["refresh_token"]


def test_s0_sign_up_twice_is_422_because_its_table_has_no_409(shop, ada):
    answer = shop.visitor().post("/users/SignUp", {"username": ada.username, "password": "12345"})

    assert answer.status_code == 422
    assert "username" in answer.json()["errors"]


def test_s0_sign_in_refuses_a_wrong_password(shop, ada):
    wrong = {"username": ada.username, "password": "wrong"}

    assert code(shop.visitor().post("/users/SignIn", wrong)) == (401, "bad_credentials")


def test_s0_update_a_user(shop, ada, admin):
    own = ada.post(f"/users/{ada.id}", {"fullname": "Ada L."})
    by_admin = admin.post(f"/users/{ada.id}/", {"fullname": "Ada K."})

    assert own.status_code == 200, own.text
    assert own.json()["fullname"] == "Ada L."
    assert by_admin.json()["fullname"] == "Ada K."
    assert shop.visitor().post(f"/users/{ada.id}", {"fullname": "x"}).status_code == 401
    assert shop.sign_up().post(f"/users/{ada.id}", {"fullname": "x"}).status_code == 403
    assert admin.post("/users/999999999", {"fullname": "x"}).status_code == 404
    assert ada.post(f"/users/{ada.id}", {"nickname": "x"}).status_code == 422
    assert ada.post(f"/users/{ada.id}", {"email": "no address"}).status_code == 422


def test_s0_products_as_a_list_with_its_pages(shop, admin):
    shop.product(admin), shop.product(admin)

    answer = shop.visitor().get("/products?page=1&limit=1")

    assert answer.status_code == 200, answer.text
    assert len(answer.json()) == 1
    assert 'rel="next"' in answer.headers["Link"]
    assert int(answer.headers["X-Total-Count"]) >= 2
    assert shop.visitor().get("/products?limit=501").status_code == 422
    assert shop.visitor().get("/products?limit=nine").status_code == 422


def test_s0_one_product_by_id_public_id_and_sku(shop, admin):
    product = shop.product(admin, "Lamp", price="3.50", quantity=4, sku=f"l-{name()}")

    answers = [shop.visitor().get(f"/product/{product[ref]}") for ref in ("id", "public_id", "sku")]

    shown = answers[0].json()
    assert [answer.json() for answer in answers] == [shown] * 3
    assert shown == {
        "id": product["id"],
        "product_id": product["id"],
        "public_id": product["public_id"],
        "sku": product["sku"],
        "name": "Lamp",
        "product_name": "Lamp",
        "description": None,
        "price": 3.5,
        "mark": None,
        "quantity": 4,
        "stock": 4,
        "user_id": admin.id,
        "created_at": product["created_at"],
        "updated_at": product["updated_at"],
    }
    assert shop.visitor().get("/product/nobody-has-this").status_code == 404


def test_s0_a_product_that_has_not_changed_is_304(shop, admin):
    product = shop.product(admin)
    etag = shop.visitor().get(f"/product/{product['id']}").headers["ETag"]

    again = shop.visitor().get(f"/product/{product['id']}", If_None_Match=etag)

    assert again.status_code == 304
    assert again.content == b""


def test_s0_every_look_at_a_product_is_counted_the_304_too(shop, admin):
    product = shop.product(admin)
    etag = shop.visitor().get(f"/product/{product['id']}").headers["ETag"]
    shop.visitor().get(f"/product/{product['public_id']}", If_None_Match=etag)

    def views():
        answer = admin.get(f"/v1/analytics/products/{product['id']}?bucket=hour")
        return answer.json().get("totals", {}).get("views") == 2

    eventually(views, seconds=20, what="two views")


def test_s0_put_changes_a_product(shop, admin, ada):
    product = shop.product(ada, "Lamp", quantity=2)

    answer = ada.put(f"/product/{product['id']}", {"price": 500, "quantity": 7})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["price"], answer.json()["quantity"]) == (500, 7)
    assert admin.put(f"/product/{product['id']}/", {"name": "Torch"}).json()["name"] == "Torch"
    visitor = shop.visitor()
    assert visitor.put(f"/product/{product['id']}", {"price": 1}).status_code == 401
    assert shop.sign_up().put(f"/product/{product['id']}", {"price": 1}).status_code == 403
    assert ada.put("/product/nobody-has-this", {"price": 1}).status_code == 404
    assert ada.put(f"/product/{product['id']}", {"price": "much"}).status_code == 422
    assert ada.put(f"/product/{product['id']}", {"colour": "red"}).status_code == 422


def test_s0_the_cart(shop, admin, ada):
    lamp, cup = shop.product(admin, "Lamp", price=3), shop.product(admin, "Cup", price=4)
    path = f"/addToCars/{ada.id}"

    assert ada.get(path).json() == {"user_id": ada.id, "items": [], "total": 0}
    one = ada.post(path, {"product_id": lamp["id"]})
    many = ada.post(
        path,
        {"items": [{"product_id": lamp["id"]}, {"product_id": cup["id"], "quantity": 2}]},
    )

    assert one.status_code == many.status_code == 201, many.text
    assert many.json()["total"] == 14
    assert [(line["product_id"], line["quantity"]) for line in many.json()["items"]] == [
        (lamp["id"], 2),
        (cup["id"], 2),
    ]
    assert ada.get(path).json() == many.json() == admin.get(path).json()
    assert shop.visitor().get(path).status_code == 401
    assert shop.sign_up().get(path).status_code == 403
    assert shop.sign_up().post(path, {"product_id": lamp["id"]}).status_code == 403
    assert ada.post(path, {"product_id": 999_999_999}).status_code == 404
    assert ada.post(path, {"product_id": lamp["id"], "quantity": 0}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/products"),
        ("GET", "/product/1"),
        ("PUT", "/product/1"),
        ("POST", "/users/SignUp"),
        ("POST", "/users/SignIn"),
        ("POST", "/users/1"),
        ("GET", "/addToCars/1"),
        ("POST", "/addToCars/1"),
    ],
)
def test_s0_without_an_accept_header_is_440(ada, method, path):
    assert code(ada.call(method, path, Accept=None)) == (440, "accept_missing")


def test_s0_malformed_json_is_400(shop):
    session, url = shop.visitor().session, shop.url
    headers = {"Content-Type": "application/json"}

    answer = session.post(url + "/users/SignUp", data="{", headers=headers)

    assert code(answer) == (400, "malformed_body")
