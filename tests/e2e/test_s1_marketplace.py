# SPDX-License-Identifier: Apache-2.0
"""S1, the marketplace: its own bodies, its misspelt header, its mails, through the gateway."""

import secrets

import pytest

from common.testing import eventually

PASSWORD = "a long sentence nobody guesses"


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


def word():
    return secrets.token_hex(4)


def shoes():
    """The seed's own body, with a sku that no other test takes."""
    return {
        "sku": f"d7iy6euiue-{word()}",
        "name": "zapatos",
        "price": 300,
        "mark": "chabelo",
        "quantity": 5,
    }


def marado():
    one = word()
    return {
        "fullname": "arnoldo",
        "password": "cheutere",
        "username": f"marado-{one}",
        "email": f"{one}@xd.com",
        "rol": 2,
    }


@pytest.fixture
def product(admin):
    return admin.post("/api/products", shoes()).json()


def test_s1_login_gives_a_token_that_the_misspelt_header_takes(shop, admin):
    body = marado()
    admin.post("/api/users", body)
    who = {"email": body["email"], "password": body["password"]}

    answer = shop.visitor().post("/users/login", who)

    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["Token"]
    me = shop.visitor().get("/v1/users/me", Autorization=f"Bearer {answer.json()['Token']}")
    assert me.json()["username"] == body["username"]
    wrong = shop.visitor().post("/users/login", who | {"password": "rgu7ue56ie"})
    assert wrong.status_code == 401


def test_s1_products_for_anybody(shop, product):
    one = shop.visitor().get(f"/api/products/{product['public_id']}")

    assert one.status_code == 200
    assert one.json() == product
    assert product in shop.visitor().get("/api/products?limit=500").json()
    assert shop.visitor().get("/api/products/crgf6p7id").status_code == 404


def test_s1_a_product_is_made_with_the_seeds_body(admin):
    body = shoes()

    answer = admin.post("/api/products/", body)

    assert answer.status_code == 201, answer.text
    assert answer.json().items() >= (body | {"stock": 5, "product_name": "zapatos"}).items()
    again = admin.post("/api/products", body)
    assert (again.status_code, again.json()["code"]) == (409, "sku_taken")
    assert admin.post("/api/products", {"name": "no price"}).status_code == 422


def test_s1_a_product_is_changed_by_any_of_its_names_with_a_slash(admin, product):
    answer = admin.put(f"/api/products/{product['sku']}/", {"price": 500})

    assert answer.status_code == 200, answer.text
    assert answer.json()["price"] == 500
    assert answer.json()["name"] == "zapatos"


def test_s1_a_product_is_deleted(shop, admin, product):
    answer = admin.delete(f"/api/products/{product['id']}/")

    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == product["id"]
    assert answer.json()["message"]
    assert shop.visitor().get(f"/api/products/{product['id']}").status_code == 404


def test_s1_who_may_not_change_products(shop, product):
    path, visitor, stranger = f"/api/products/{product['id']}", shop.visitor(), shop.sign_up()

    assert visitor.post("/api/products", shoes()).status_code == 401
    assert visitor.put(path, {"price": 1}).status_code == 401
    assert visitor.delete(path).status_code == 401
    assert stranger.put(path, {"price": 1}).status_code == 403
    assert stranger.delete(path).status_code == 403


def test_s1_admins_manage_users(shop, admin):
    body = marado()

    made = admin.post("/api/users", body)

    assert made.status_code == 201, made.text
    user = made.json()
    assert user == {
        "id": user["id"],
        "username": body["username"],
        "email": body["email"],
        "fullname": "arnoldo",
        "rol": 2,
        "role": "user",
    }
    assert admin.get(f"/api/users/{user['id']}").json() == user
    assert user in admin.get("/api/users?limit=500").json()
    raised = admin.put(f"/api/users/{user['id']}/", {"rol": 1})
    assert (raised.status_code, raised.json()["role"]) == (200, "admin")
    gone = admin.delete(f"/api/users/{user['id']}/")
    assert (gone.status_code, gone.json()["id"]) == (200, user["id"])
    assert admin.get(f"/api/users/{user['id']}").status_code == 404
    assert admin.post("/api/users", body | {"rol": 4}).status_code == 422


def test_s1_only_admins_manage_users(shop):
    ada = shop.sign_up()

    for method, path in [
        ("GET", "/api/users"),
        ("GET", f"/api/users/{ada.id}"),
        ("POST", "/api/users"),
        ("PUT", f"/api/users/{ada.id}"),
        ("DELETE", f"/api/users/{ada.id}"),
    ]:
        assert ada.call(method, path).status_code == 403, (method, path)
        assert shop.visitor().call(method, path).status_code == 401, (method, path)


def test_s1_the_last_admin_can_not_go(shop, admin):
    others = [user for user in admin.get("/api/users?limit=500").json() if user["rol"] == 1]
    for user in others:
        if user["id"] != admin.id:
            admin.put(f"/api/users/{user['id']}", {"rol": 2})

    for answer in (
        admin.delete(f"/api/users/{admin.id}"),
        admin.put(f"/api/users/{admin.id}", {"rol": 2}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")


def test_s1_every_change_of_a_product_is_mailed_once_to_every_admin(shop, admin):
    body = marado() | {"rol": 1}
    other = admin.post("/api/users", body).json()
    addresses = [admin.get("/v1/users/me").json()["email"], body["email"]]
    customer = marado()
    admin.post("/api/users", customer)
    made = shoes() | {"name": f"zapatos-{word()}"}

    product = admin.post("/api/products", made).json()
    path = f"/api/products/{product['id']}"
    admin.put(path, {"price": 512.25})
    admin.put(path, {"mark": "cuero"})
    admin.delete(path)

    def all_mails(address):
        mails = shop.mails_to(address, naming=made["name"])
        texts = [mail.get_body(("plain",)).get_content() for mail in mails]
        return texts if len(texts) >= 4 else None

    for address in addresses:
        texts = eventually(
            lambda address=address: all_mails(address), seconds=30, what=f"mails to {address}"
        )
        assert len(texts) == 4
        assert any("300" in text and "512.25" in text for text in texts)
        assert any("chabelo" in text and "cuero" in text for text in texts)
    assert shop.mails_to(customer["email"], naming=made["name"]) == []
    admin.delete(f"/api/users/{other['id']}")
