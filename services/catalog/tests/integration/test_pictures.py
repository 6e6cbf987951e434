# SPDX-License-Identifier: Apache-2.0
import base64

import pytest
from sqlalchemy import event, func, select

from catalog.commands.products import delete_product
from catalog.models import Picture, PictureContent
from common.tokens import Identity

FIVE_MEBIBYTES = 5 * 1024 * 1024


@pytest.fixture
def grace(token_factory):
    """The seller of the products that ``sell`` makes."""
    return token_factory.bearer(7, "grace")


@pytest.fixture
def ada(token_factory):
    return token_factory.bearer(8, "ada")


@pytest.fixture
def admin(token_factory):
    return token_factory.bearer(1, "root", "admin")


@pytest.fixture
def post(client, grace):
    """Uploads a picture: ``post(b"…", product="shoe-1")``."""

    def upload(data, headers=grace, **fields):
        body = {"data": base64.b64encode(data).decode()} | fields
        return client.post("/v1/pictures", json=body, headers=headers)

    return upload


def count(database, table):
    with database.sessions() as session:
        return session.scalar(select(func.count()).select_from(table))


@pytest.fixture
def statements(database):
    """What is sent to the database while a test runs."""
    sent = []

    def note(_connection, _cursor, statement, *_others):
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_new_picture_is_answered_with_everything_that_is_known_of_it(post, sell, images):
    lamp = sell("Lamp", sku="lamp-1")

    answer = post(images.png(), product="lamp-1")

    assert answer.status_code == 201
    picture = answer.json
    assert picture | {"id": 0, "created_at": "", "url": "", "sha256": ""} == {
        "id": 0,
        "username": "grace",
        "product_id": lamp.id,
        "media_type": "image/png",
        "bytes": len(images.png()),
        "sha256": "",
        "url": "",
        "created_at": "",
    }
    assert picture["url"] == f"/v1/pictures/{picture['id']}/raw"
    assert answer.headers["Location"] == picture["url"]
    assert len(picture["sha256"]) == 64
    assert picture["created_at"].endswith("Z")


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_a_picture_comes_back_as_it_was_uploaded_and_runs_nothing(client, post, images, kind):
    data = getattr(images, kind)()
    picture = post(data).json

    answer = client.get(picture["url"])

    assert answer.status_code == 200
    assert answer.data == data
    assert answer.headers["Content-Type"] == f"image/{kind}"
    assert answer.headers["ETag"] == f'"{picture["sha256"]}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    name = f"picture-{picture['id']}.{kind}"
    assert answer.headers["Content-Disposition"] == f'inline; filename="{name}"'
    assert "max-age=" in answer.headers["Cache-Control"]


def test_a_picture_that_a_reader_has_is_not_read_again(client, post, images, statements):
    picture = post(images.png()).json
    statements.clear()

    for tag in (f'"{picture["sha256"]}"', f'W/"{picture["sha256"]}"', '"other", *', "*"):
        answer = client.get(picture["url"], headers={"If-None-Match": tag})
        assert answer.status_code == (200 if tag.startswith('"other') else 304)
        if answer.status_code == 304:
            assert answer.data == b""
            assert answer.headers["ETag"] == f'"{picture["sha256"]}"'

    assert len([sent for sent in statements if "picture_contents.data" in sent]) == 1


def test_another_tag_gets_the_picture(client, post, images):
    url = post(images.png()).json["url"]

    assert client.get(url, headers={"If-None-Match": '"0123"'}).data == images.png()
    assert client.head(url).headers["Content-Length"] == str(len(images.png()))


@pytest.mark.parametrize("ref", ["0", "99999", "9" * 18, "9" * 30, "9" * 5000, "x", "-1", "١٢"])
def test_what_names_no_picture_is_not_found(client, grace, ref):
    for answer in (
        client.get(f"/v1/pictures/{ref}/raw"),
        client.delete(f"/v1/pictures/{ref}", headers=grace),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "picture_not_found")


def test_equal_pictures_are_stored_once_and_go_with_the_last_of_them(
    client, database, post, images, grace, ada
):
    first, second = post(images.png()).json, post(images.png(), ada).json
    other = post(images.gif()).json
    assert (count(database, Picture), count(database, PictureContent)) == (3, 2)

    assert client.delete(f"/v1/pictures/{first['id']}", headers=grace).status_code == 204
    assert client.get(first["url"]).status_code == 404
    assert client.get(second["url"]).data == images.png()
    assert count(database, PictureContent) == 2

    assert client.delete(f"/v1/pictures/{second['id']}/", headers=ada).status_code == 204
    assert count(database, PictureContent) == 1
    assert client.get(other["url"]).data == images.gif()


def test_only_its_uploader_and_admins_delete_a_picture(client, post, images, ada, admin, grace):
    picture = post(images.png()).json
    path = f"/v1/pictures/{picture['id']}"

    assert client.delete(path).status_code == 401
    assert client.delete(path, headers=ada).status_code == 403
    assert client.get(picture["url"]).status_code == 200
    assert client.delete(path, headers=admin).status_code == 204
    assert client.delete(path, headers=grace).status_code == 404


def test_only_its_seller_and_admins_add_pictures_to_a_product(post, sell, images, ada, admin):
    lamp = sell("Lamp")

    refused = post(images.png(), ada, product=lamp.id)

    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert post(images.png(), admin, product=lamp.id).json["product_id"] == lamp.id
    assert post(images.png(), product=lamp.public_id).json["product_id"] == lamp.id
    assert post(images.png(), ada).json["product_id"] is None


@pytest.mark.parametrize("product", [99999, "99999", "nothing", "9" * 64, 2**63 - 1])
def test_a_picture_of_no_product_is_refused(post, images, database, product):
    answer = post(images.png(), product=product)

    assert (answer.status_code, answer.json["code"]) == (404, "product_not_found")
    assert count(database, PictureContent) == 0


def test_a_picture_outlives_its_product(client, database, post, sell, images, grace):
    lamp = sell("Lamp")
    picture = post(images.png(), product=lamp.id).json
    seller = Identity(user_id=7, username="grace", role="user", epoch=0, expires_at=0)
    database.run(delete_product, product_id=lamp.id, actor=seller)

    assert client.get(picture["url"]).status_code == 200
    mine = client.get("/v1/pictures?username=grace", headers=grace).json["items"]
    assert [shown["product_id"] for shown in mine] == [lamp.id]
    assert post(images.png(), product=lamp.id).status_code == 404


def test_pictures_are_listed_newest_first_in_pages_without_their_bytes(
    client, post, images, ada, grace, statements
):
    ids = [post(images.png(note=str(number))).json["id"] for number in range(5)]
    statements.clear()

    first = client.get("/v1/pictures?limit=2", headers=ada).json
    second = client.get(f"/v1/pictures?limit=2&cursor={first['next_cursor']}", headers=ada).json
    third = client.get(f"/v1/pictures/?limit=2&cursor={second['next_cursor']}", headers=ada).json

    found = [shown["id"] for page in (first, second, third) for shown in page["items"]]
    assert found == ids[::-1]
    assert third["next_cursor"] is None
    assert not [sent for sent in statements if "picture_contents" in sent]


def test_pictures_are_found_by_user_and_by_product(client, post, sell, images, ada, grace):
    lamp, rug = sell("Lamp", sku="lamp-1"), sell("Rug")
    of_lamp = post(images.png(), product=lamp.id).json["id"]
    of_rug = post(images.png(), product=rug.id).json["id"]
    of_ada = post(images.png(), ada).json["id"]

    def found(query):
        answer = client.get(f"/v1/pictures?{query}", headers=ada)
        return [shown["id"] for shown in answer.json["items"]]

    assert found("username=grace") == [of_rug, of_lamp]
    assert found("username=ada") == [of_ada]
    assert found("username=Ada") == []
    assert found("username=%C3%A1da%00") == []
    assert found("product=lamp-1") == [of_lamp]
    assert found(f"product={rug.id}&username=grace") == [of_rug]
    assert found(f"product={rug.id}&username=ada") == []
    missing = client.get("/v1/pictures?product=nothing", headers=ada)
    assert (missing.status_code, missing.json["code"]) == (404, "product_not_found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=forged", "cursor"),
        ("username=" + "x" * 81, "username"),
        ("product=", "product"),
        ("sort=id", "sort"),
    ],
)
def test_a_wrong_query_is_refused(client, grace, query, field):
    answer = client.get(f"/v1/pictures?{query}", headers=grace)

    assert answer.status_code == 422
    assert field in answer.json["errors"]


def test_a_cursor_is_good_for_its_own_list_only(client, post, images, grace):
    for number in range(3):
        post(images.png(note=str(number)))
    cursor = client.get("/v1/pictures?limit=1", headers=grace).json["next_cursor"]

    answer = client.get(f"/v1/pictures?username=grace&cursor={cursor}", headers=grace)

    assert "cursor" in answer.json["errors"]


def test_strangers_see_a_picture_but_neither_upload_nor_list(client, post, images):
    url = post(images.png()).json["url"]

    assert client.get(url).status_code == 200
    assert client.get("/v1/pictures").status_code == 401
    assert post(images.png(), {}).status_code == 401
    assert post(images.png(), {"Authorization": "Bearer forged"}).status_code == 401


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><script>alert(1)</script>",
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
        b"GIF89a/*<script>*/",
        b"\xff\xd8\xff<script>alert(1)</script>",
    ],
)
def test_what_is_no_picture_of_ours_is_refused(post, database, data):
    answer = post(data)

    assert (answer.status_code, answer.json["code"]) == (415, "picture_format")
    assert count(database, Picture) == 0


def test_a_picture_that_breaks_off_or_has_a_page_behind_it_is_refused(post, images):
    for data in (images.png()[:-1], images.png() + b"<script>", images.jpeg()[:-2]):
        assert post(data).status_code == 415


@pytest.mark.parametrize("data", ["not base64", "QUJ", "\u0414\u0414\u0414\u0414", "====", "QU=D"])
def test_what_is_not_base64_is_refused(client, grace, data):
    answer = client.post("/v1/pictures", json={"data": data}, headers=grace)

    assert (answer.status_code, answer.json["code"]) == (422, "not_base64")
    assert answer.json["errors"] == {"data": ["is not base64"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "data"),
        ({"data": None}, "data"),
        ({"data": 7}, "data"),
        ({"data": ["QUJD"]}, "data"),
        ({"data": "QUJD", "name": "x"}, "name"),
        ({"data": "QUJD", "product": True}, "product"),
        ({"data": "QUJD", "product": 0}, "product"),
        ({"data": "QUJD", "product": 2**63}, "product"),
        ({"data": "QUJD", "product": ""}, "product"),
        ({"data": "QUJD", "product": "x" * 65}, "product"),
    ],
)
def test_a_wrong_body_is_refused(client, grace, body, field):
    answer = client.post("/v1/pictures", json=body, headers=grace)

    assert answer.status_code == 422
    assert any(name.startswith(field) for name in answer.json["errors"])


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"data": ', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"data=QUJD", "application/x-www-form-urlencoded", 415),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
    ],
)
def test_a_body_that_is_no_object_is_refused(client, grace, body, content_type, status):
    answer = client.post("/v1/pictures", data=body, content_type=content_type, headers=grace)

    assert answer.status_code == status


def test_five_mebibytes_fit_and_a_byte_more_does_not(client, post, images):
    largest = images.png(size=FIVE_MEBIBYTES)

    fits = post(largest)
    refused = post(images.png(size=FIVE_MEBIBYTES + 1))

    assert (fits.status_code, fits.json["bytes"]) == (201, FIVE_MEBIBYTES)
    assert client.get(fits.json["url"]).data == largest
    assert (refused.status_code, refused.json["code"]) == (413, "picture_too_large")


def test_a_larger_body_is_refused_unread_and_products_take_no_more_than_before(client, grace):
    body = b'{"data": "' + b"A" * (8 * 1024 * 1024) + b'"}'

    for path in ("/v1/pictures", "/v1/products"):
        answer = client.post(
            path,
            data=body if path == "/v1/pictures" else body[: 2 * 1024 * 1024],
            content_type="application/json",
            headers=grace,
        )
        assert (answer.status_code, answer.json["code"]) == (413, "request_entity_too_large")


@pytest.mark.usefixtures("broken_contents")
def test_a_picture_that_the_database_refuses_is_an_honest_failure(post, images):
    answer = post(images.png())

    assert (answer.status_code, answer.json["code"]) == (500, "picture_not_stored")
