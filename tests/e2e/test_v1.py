# SPDX-License-Identifier: Apache-2.0
"""The rows of ``/v1`` that the shopper's and the hostile client's tests do not pass by."""

import csv
import io
import json
import secrets

import pytest

from common.testing import eventually
from support.pictures import as_text, png


@pytest.fixture(scope="module")
def admin(shop):
    return shop.admin()


def refused(answer):
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def word():
    return secrets.token_hex(4)


def all_pages(person, path):
    """Every item of a list, page after page."""
    items, cursor = [], ""
    while cursor is not None:
        page = person.get(f"{path}{'&cursor=' + cursor if cursor else ''}").json()
        items += page["items"]
        cursor = page["next_cursor"]
    return items


def test_v1_signup_refuses_what_is_taken_or_unknown(shop):
    ada = shop.sign_up()
    body = {"username": word(), "password": "a long sentence nobody guesses"}
    address = f"{ada.username}@mail.example"
    visitor = shop.visitor()

    taken = visitor.post("/v1/auth/signup", body | {"username": ada.username.upper()})
    same_address = visitor.post("/v1/auth/signup", body | {"email": address})

    assert refused(taken) == (409, "username_taken")
    assert refused(same_address) == (409, "email_taken")
    assert refused(visitor.post("/v1/auth/signup", body | {"role": "admin"})) == (422, "invalid")
    assert refused(visitor.post("/v1/auth/signup", body | {"password": "12345"}))[0] == 422


def test_v1_log_out_and_log_out_everywhere(shop):
    ada = shop.sign_up()
    token = {"refresh_token": ada.refresh_token}

    assert ada.post("/v1/auth/logout", token).status_code == 204
    assert refused(ada.post("/v1/auth/refresh", token)) == (401, "refresh_invalid")
    assert ada.post("/v1/auth/logout-all").status_code == 204
    assert ada.put("/v1/cart/items/1", {"quantity": 1}).status_code == 401


def test_v1_one_s_own_account(shop):
    ada = shop.sign_up()

    assert ada.get("/v1/users/me").json()["username"] == ada.username
    assert ada.patch("/v1/users/me", {"fullname": "Ada L."}).json()["fullname"] == "Ada L."
    assert refused(ada.patch("/v1/users/me", {"role": "admin"})) == (422, "invalid")
    assert ada.delete("/v1/users/me").status_code == 204
    assert ada.post("/v1/products", {"name": "x", "price": 1}).status_code == 401


def test_v1_admins_manage_users(shop, admin):
    username = f"bob-{word()}"
    body = {"username": username, "password": "a long sentence nobody guesses"}

    made = admin.post("/v1/users", body | {"role": "analyst"})

    assert made.status_code == 201, made.text
    path = made.headers["Location"]
    assert admin.get(path).json() == made.json()
    found = admin.get(f"/v1/users?q={username}&limit=1").json()
    assert found["items"] == [made.json()]
    assert admin.patch(path, {"role": "user"}).json()["role"] == "user"
    assert admin.delete(path).status_code == 204
    assert refused(admin.get(path))[0] == 404
    assert refused(shop.sign_up().get("/v1/users")) == (403, "forbidden")


def test_v1_products_are_filtered_sorted_and_paged(shop, admin):
    mark = f"mark-{word()}"
    prices = ["3.00", "1.00", "2.00"]
    made = [
        shop.product(admin, f"Lamp {price}", price=price, mark=mark, quantity=index)
        for index, price in enumerate(prices)
    ]
    path = f"/v1/products?mark={mark}"
    visitor = shop.visitor()

    def names(query=""):
        return [item["name"][5:] for item in visitor.get(path + query).json()["items"]]

    assert names() == prices[::-1]
    assert names("&sort=price") == ["1.00", "2.00", "3.00"]
    assert names("&sort=-price&min_price=2") == ["3.00", "2.00"]
    assert names("&in_stock=false") == ["3.00"]
    assert names(f"&seller={admin.id}&max_price=1.00") == ["1.00"]
    assert all_pages(visitor, f"{path}&sort=price&limit=1") == [made[1], made[2], made[0]]
    for wrong in ("&sort=name", "&limit=201", "&colour=red", "&cursor=forged", "&min_price=x"):
        assert refused(visitor.get(path + wrong)) == (422, "invalid"), wrong
    other = visitor.get(f"{path}&limit=1").json()["next_cursor"]
    assert refused(visitor.get(f"/v1/products?cursor={other}")) == (422, "invalid")


def test_v1_search_finds_words_by_their_beginning(shop, admin):
    thing = f"thing{word()}"
    product = shop.product(admin, f"A fine {thing}", description="made of oak")

    found = shop.visitor().get(f"/v1/products?q={thing[:9]}").json()["items"]

    assert [item["id"] for item in found] == [product["id"]]


def test_v1_a_change_based_on_an_old_page_is_412(shop, admin):
    product = shop.product(admin)
    path = f"/v1/products/{product['id']}"
    tag = admin.get(path).headers["ETag"]

    first = admin.patch(path, {"name": "Torch"}, If_Match=tag)
    second = admin.patch(path, {"name": "Candle"}, If_Match=tag)

    assert first.status_code == 200, first.text
    assert refused(second) == (412, "stale_product")
    assert refused(shop.sign_up().patch(path, {"name": "x"})) == (403, "forbidden")
    assert refused(admin.patch(path, {"name": "x", "seller": 1})) == (422, "invalid")


def test_v1_the_prices_of_a_product(shop, admin):
    product = shop.product(admin, price="5.00")
    path = f"/v1/products/{product['id']}"
    for price in ("3.00", "4.00"):
        admin.patch(path, {"price": price})

    history = shop.visitor().get(f"{path}/prices").json()

    assert [item["price"] for item in history["items"]] == ["4.00", "3.00", "5.00"]
    assert history["lowest_30d"] == "3.00"


def test_v1_the_stock_and_its_ledger(shop, admin):
    product = shop.product(admin, quantity=5)
    path = f"/v1/products/{product['id']}/stock"

    added = admin.post(path, {"delta": 3, "reason": "delivery"})
    counted = admin.post(path, {"set": 6})

    assert added.json()["on_hand"] == 8
    assert counted.json() == {
        "product_id": product["id"],
        "on_hand": 6,
        "reserved": 0,
        "available": 6,
    }
    entries = all_pages(admin, f"{path}/ledger?limit=1")
    assert [entry["delta"] for entry in entries] == [-2, 3, 5]
    assert sum(entry["delta"] for entry in entries) == 6
    assert refused(admin.post(path, {"delta": -7})) == (409, "below_reserved")
    assert refused(admin.post(path, {"delta": 1, "set": 1})) == (422, "invalid")
    assert refused(shop.sign_up().post(path, {"delta": 1})) == (403, "forbidden")
    assert refused(shop.sign_up().get(f"{path}/ledger")) == (403, "forbidden")


def test_v1_a_deleted_product_is_gone_and_its_sku_is_free(shop, admin):
    sku = f"sku-{word()}"
    product = shop.product(admin, sku=sku)
    body = {"name": "Lamp", "price": 1, "sku": sku}
    assert refused(admin.post("/v1/products", body)) == (409, "sku_taken")

    assert admin.delete(f"/v1/products/{sku}").status_code == 204

    assert refused(shop.visitor().get(f"/v1/products/{product['id']}"))[0] == 404
    assert admin.post("/v1/products", body).status_code == 201


@pytest.mark.parametrize("sku", ["my", "all", "add", "add-stock", "12345", "a/b", ""])
def test_v1_a_sku_that_our_paths_need_is_refused(admin, sku):
    body = {"name": "Lamp", "price": 1, "sku": sku}

    assert refused(admin.post("/v1/products", body)) == (422, "invalid")


def test_v1_pictures(shop, admin):
    ada, data = shop.sign_up(), png()
    product = shop.product(ada)

    made = ada.post("/v1/pictures", {"data": as_text(data), "product": product["public_id"]})

    assert made.status_code == 201, made.text
    picture = made.json()
    listed = ada.get(f"/v1/pictures?product={product['id']}").json()["items"]
    assert [item["id"] for item in listed] == [picture["id"]]
    by_name = ada.get(f"/v1/pictures?username={ada.username}&limit=1").json()["items"]
    assert [item["id"] for item in by_name] == [picture["id"]]
    raw = ada.get(f"/v1/pictures/{picture['id']}/raw")
    assert (raw.content, raw.headers["Content-Type"]) == (data, "image/png")
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in raw.headers["Content-Security-Policy"]
    unchanged = ada.get(f"/v1/pictures/{picture['id']}/raw", If_None_Match=raw.headers["ETag"])
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    stranger, path = shop.sign_up(), f"/v1/pictures/{picture['id']}"
    assert refused(stranger.delete(path)) == (403, "forbidden")
    assert ada.delete(path).status_code == 204
    assert refused(ada.delete(path))[0] == 404
    assert refused(shop.visitor().get("/v1/pictures")) == (401, "token_missing")


def test_v1_what_is_no_picture_is_415_and_what_is_too_large_413(shop):
    ada = shop.sign_up()
    html = as_text(b"<html><script>alert(1)</script></html>")

    assert refused(ada.post("/v1/pictures", {"data": html}))[0] == 415
    assert refused(ada.post("/v1/pictures", {"data": "no base64!"}))[0] == 422
    large = as_text(png() + b"\0" * 5 * 1024 * 1024)
    assert refused(ada.post("/v1/pictures", {"data": large}))[0] == 413


def test_v1_an_order_expects_its_total(shop, admin):
    lamp, ada = shop.product(admin, price="3.00"), shop.sign_up()
    items = [{"product": lamp["id"], "quantity": 2}]

    wrong = ada.order({"items": items, "expected_total": "5.00"})
    right = ada.order({"items": items, "expected_total": "6.00"})

    assert refused(wrong) == (409, "price_changed")
    assert right.status_code == 201, right.text


def test_v1_an_empty_order_and_a_strange_key(shop):
    ada = shop.sign_up()

    assert refused(ada.order()) == (422, "empty_order")
    assert refused(ada.order({"items": []})) == (422, "empty_order")
    assert refused(ada.order({"items": [], "total": 1})) == (422, "invalid")
    assert refused(ada.order(key="with a blank"))[0] == 400


def test_v1_the_cart(shop, admin):
    lamp, ada = shop.product(admin), shop.sign_up()
    line = f"/v1/cart/items/{lamp['id']}"
    ada.put(line, {"quantity": 2})

    assert ada.delete(line).status_code == 204
    assert refused(ada.delete(line)) == (404, "not_in_cart")
    ada.put(line, {"quantity": 2})
    assert ada.delete("/v1/cart").status_code == 204
    assert ada.get("/v1/cart").json()["items"] == []
    assert refused(ada.put("/v1/cart/items/nothing", {"quantity": 1}))[0] == 404


def test_v1_orders_are_ones_own_and_the_admins(shop, admin):
    lamp, ada = shop.product(admin), shop.sign_up()
    placed = [
        ada.order({"items": [{"product": lamp["id"], "quantity": 1}]}).json() for _ in range(3)
    ]

    assert all_pages(ada, "/v1/orders?limit=2") == placed[::-1]
    assert shop.sign_up().get("/v1/orders").json()["items"] == []
    assert placed[0]["id"] in [one["id"] for one in all_pages(admin, "/v1/orders?limit=200")]
    path = f"/v1/orders/{placed[0]['id']}"
    assert admin.get(path).json() == placed[0]
    assert refused(shop.sign_up().post(f"{path}/cancel"))[0] == 404


def test_v1_notifications_are_listed_and_sent_again(shop, admin):
    name = f"Mailed {word()}"
    shop.product(admin, name)
    address = admin.get("/v1/users/me").json()["email"]
    shop.wait_for_mail(address, naming=name, subject=name)

    def sent():
        items = admin.get("/v1/notifications?status=sent&limit=50").json()["items"]
        return [item for item in items if name in item["subject"] and item["recipient"] == address]

    (item,) = eventually(sent, what="the notification")
    again = admin.post(f"/v1/notifications/{item['id']}/resend")

    assert again.status_code == 202, again.text
    eventually(lambda: len(shop.mails_to(address, naming=name)) == 2, seconds=20, what="a copy")
    assert refused(admin.post("/v1/notifications/0/resend"))[0] == 404
    assert refused(admin.get("/v1/notifications?status=lost")) == (422, "invalid")
    assert refused(shop.sign_up().get("/v1/notifications")) == (403, "forbidden")


def test_v1_analytics_series_top_and_views_in_every_format(shop, admin):
    seller = shop.sign_up("seller")
    product = shop.product(seller, "Watched")
    for _ in range(3):
        shop.visitor().get(f"/v1/products/{product['id']}")
    path = f"/v1/analytics/views?product={product['id']}"

    def three():
        views = seller.get(path).json().get("items", [])
        return views if len(views) == 3 else None

    views = eventually(three, seconds=20, what="three views")
    assert set(views[0]) == {"event_id", "product_id", "viewer_id", "at"}
    assert len(all_pages(admin, f"{path}&limit=2")) == 3
    lines = admin.get(f"{path}&format=ndjson")
    assert lines.headers["Content-Type"].startswith("application/x-ndjson")
    assert sorted(
        (json.loads(line) for line in lines.text.splitlines()), key=lambda view: view["event_id"]
    ) == sorted(views, key=lambda view: view["event_id"])
    table = admin.get(f"{path}&format=csv")
    assert table.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert {row["event_id"] for row in rows} == {view["event_id"] for view in views}
    for bucket in ("minute", "hour", "day"):
        answer = seller.get(f"/v1/analytics/products/{product['id']}?bucket={bucket}").json()
        assert (answer["bucket"], answer["totals"]["views"]) == (bucket, 3)
    top = admin.get("/v1/analytics/top?metric=views&limit=200").json()["items"]
    assert {"product_id": product["id"], "value": 3} in top
    stranger = shop.sign_up()
    assert refused(stranger.get(path)) == (403, "forbidden")
    assert refused(stranger.get("/v1/analytics/top?metric=views")) == (403, "forbidden")
    assert refused(admin.get(f"{path}&format=xml")) == (422, "invalid")
    assert refused(admin.get("/v1/analytics/top?metric=clicks")) == (422, "invalid")


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/internal/users/1", "/metrics", "/nothing", "/v1/products/1/nothing"]
)
def test_v1_unknown_paths_are_404_as_json(shop, path):
    assert refused(shop.visitor().get(path))[0] == 404


def test_the_api_document_and_its_page_come_from_the_gateway(shop):
    document = shop.visitor().get("/openapi.json")
    page = shop.visitor().get("/docs")

    assert document.json()["openapi"].startswith("3.1")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
