# SPDX-License-Identifier: Apache-2.0
"""S4's pictures, row by row; every answer is in its envelope."""

import base64
import time

import orjson
import pytest
from flask.testing import FlaskClient

from catalog.commands.pictures import add_picture, delete_picture
from catalog.picture_formats import read_upload
from catalog.routes import s4_mithril
from common.problems import Unavailable
from common.testing.answers import Document
from common.tokens import Identity

FIVE_MEBIBYTES = 5 * 1024 * 1024
SEEDS_OWN_DATA = "9klelwrwewerwer..."


@pytest.fixture
def rory(token_factory):
    """The token as S4 sends it: raw."""
    return {"Authorization": token_factory.token(7, "Rory")}


@pytest.fixture
def ada(token_factory):
    return {"Authorization": token_factory.token(8, "ada")}


def text_of(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def post(client, rory):
    def upload(data, headers=rory):
        return client.post("/api/picture", json={"data": text_of(data)}, headers=headers)

    return upload


@pytest.fixture
def stream(client, rory):
    """Asks for pictures, and leaves it to the test how much of the answer it reads."""
    # Not the usual client: it judges an answer before its test sees the first byte.
    plain = FlaskClient(client.application, client.application.response_class)
    return lambda path: plain.get(path, headers=rory)


@pytest.fixture
def read(client, stream):
    """Asks for pictures and reads them all; the API document must know the whole answer."""
    document = Document(client.application.spec)

    def whole(path):
        answer = stream(path)
        place = (path.partition("?")[0], answer.status_code, dict(answer.headers))
        document.check("GET", *place, answer.get_data())
        return answer

    return whole


def coded(answer):
    """Status and code of an answer, which must be an envelope and nothing more."""
    assert answer.content_type == "application/json"
    assert set(answer.json) == {"message", "code", "data"}
    assert isinstance(answer.json["message"], str)
    if answer.json["code"]:
        assert answer.json["data"] is None
    return answer.status_code, answer.json["code"]


@pytest.mark.parametrize("path", ["/api/picture", "/api/picture/"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_s4_post_picture_stores_it(client, rory, images, kind, path):
    body = {"data": text_of(getattr(images, kind)())}

    answer = client.post(path, json=body, headers=rory)

    assert coded(answer) == (201, 0)
    assert set(answer.json["data"]) == {"id"}
    raw = client.get(f"/v1/pictures/{answer.json['data']['id']}/raw")
    assert raw.data == getattr(images, kind)()


def test_s4_post_picture_takes_the_token_with_bearer_and_misspelt_too(
    client, token_factory, images
):
    token, body = token_factory.token(7, "Rory"), {"data": text_of(images.png())}

    for headers in ({"Authorization": f"Bearer {token}"}, {"Autorization": token}):
        assert coded(client.post("/api/picture", json=body, headers=headers)) == (201, 0)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": ',
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"data"',
        b'{"data": null}',
        b'{"data": 7}',
        b'{"data": ["QUJD"]}',
        b'{"data": "QUJD", "name": "x"}',
        b'{"data": "\\ud800"}',
        b"\xff\xfe",
        b'{"data": "\\9klelwrwewerwer..."}',
    ],
)
def test_s4_post_picture_with_a_wrong_body_is_400_2(client, rory, body):
    answer = client.post("/api/picture", data=body, content_type="application/json", headers=rory)

    assert coded(answer) == (400, 2)


def test_s4_post_picture_that_is_no_json_is_400_2(client, rory):
    answer = client.post("/api/picture", data={"data": "QUJD"}, headers=rory)

    assert coded(answer) == (400, 2)


@pytest.mark.parametrize("data", [SEEDS_OWN_DATA, "not base64", "QUJ", "QUJD=", "\u0414"])
def test_s4_post_picture_that_is_not_base64_is_400_6(client, rory, data):
    answer = client.post("/api/picture", json={"data": data}, headers=rory)

    assert coded(answer) == (400, 6)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"<!doctype html><script>alert(1)</script>",
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
    ],
)
def test_s4_post_picture_that_is_no_image_of_ours_is_400_6(post, data):
    assert coded(post(data)) == (400, 6)


def test_s4_post_picture_that_breaks_off_is_400_6(post, images):
    assert coded(post(images.png()[:-1])) == (400, 6)


def test_s4_post_picture_larger_than_five_mebibytes_is_413_2(client, rory, post, images):
    assert coded(post(images.png(size=FIVE_MEBIBYTES))) == (201, 0)
    assert coded(post(images.png(size=FIVE_MEBIBYTES + 1))) == (413, 2)
    body = b'{"data": "' + b"A" * (8 * 1024 * 1024) + b'"}'
    unread = client.post("/api/picture", data=body, content_type="application/json", headers=rory)
    assert coded(unread) == (413, 2)


@pytest.mark.usefixtures("broken_contents")
def test_s4_post_picture_that_can_not_be_stored_is_500_10(post, images):
    assert coded(post(images.png())) == (500, 10)


def test_s4_pictures_without_the_database_are_502(
    client, database, rory, post, images, monkeypatch
):
    def down(*_arguments, **_fields):
        raise Unavailable

    monkeypatch.setattr(database, "run", down)
    monkeypatch.setattr(database, "read", down)

    assert coded(post(images.png())) == (502, 502)
    assert coded(client.get("/api/picture", headers=rory)) == (502, 502)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_s4_pictures_without_a_token_are_403_7(client, method):
    assert coded(client.open("/api/picture", method=method)) == (403, 7)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_s4_pictures_with_an_expired_token_are_401_8(client, token_factory, method):
    expired = token_factory.token(7, "Rory", exp=int(time.time()) - 3600)

    answer = client.open("/api/picture", method=method, headers={"Authorization": expired})

    assert coded(answer) == (401, 8)


@pytest.mark.parametrize(
    "token", ["nonsense", "Bearer a.b.c", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_s4_pictures_with_an_invalid_token_are_401_9(client, token, method):
    answer = client.open("/api/picture", method=method, headers={"Authorization": token})

    assert coded(answer) == (401, 9)


def test_s4_pictures_with_another_method_are_405_in_the_envelope(client, rory):
    assert coded(client.delete("/api/picture", headers=rory)) == (405, 405)


def test_s4_get_pictures_are_everybodys_newest_first_with_their_data(read, post, ada, images):
    first = post(images.png()).json["data"]["id"]
    second = post(images.gif(), ada).json["data"]["id"]

    answer = read("/api/picture")

    assert coded(answer) == (200, 0)
    assert answer.json["data"] == {
        "total": 2,
        "page": 1,
        "limit": 20,
        "pictures": [
            {"id": second, "username": "ada", "data": text_of(images.gif())},
            {"id": first, "username": "Rory", "data": text_of(images.png())},
        ],
    }


def test_s4_get_pictures_of_one_user(read, post, ada, images):
    mine = post(images.png()).json["data"]["id"]
    post(images.png(), ada)

    def found(username):
        data = read(f"/api/picture?page=1&limit=20&username={username}").json["data"]
        return data["total"], [picture["id"] for picture in data["pictures"]]

    assert found("Rory") == (1, [mine])
    assert found("nobody") == (0, [])
    assert found("")[0] == 2


def test_s4_get_pictures_by_page(read, post, images):
    ids = [post(images.png(note=str(number))).json["data"]["id"] for number in range(5)]

    pages = [read(f"/api/picture/?page={page}&limit=2").json["data"] for page in (1, 2, 3, 4)]

    found = [[picture["id"] for picture in page["pictures"]] for page in pages]
    assert found == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]], []]
    assert {(page["total"], page["limit"]) for page in pages} == {(5, 2)}
    assert [page["page"] for page in pages] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=1.5",
        "page=",
        "page=10001",
        "page=" + "9" * 5000,
        "limit=0",
        "limit=101",
        "limit=x",
        "username=" + "x" * 81,
        "sort=id",
    ],
)
def test_s4_get_pictures_with_a_wrong_query_is_400_11(client, rory, query):
    assert coded(client.get(f"/api/picture?{query}", headers=rory)) == (400, 11)


def test_s4_get_pictures_with_strange_names_finds_nobody(read):
    for name in ("%00", "%ff", "'%20OR%201=1--", "%F0%9F%98%80"):
        answer = read(f"/api/picture?username={name}")
        assert (coded(answer), answer.json["data"]["total"]) == ((200, 0), 0)


def test_s4_get_pictures_by_head_reads_none(client, post, rory, images, monkeypatch):
    post(images.png())
    monkeypatch.setattr(s4_mithril.queries, "content_of", None)

    answer = client.head("/api/picture", headers=rory)

    assert (answer.status_code, answer.data) == (200, b"")


@pytest.fixture
def stored(database, images):
    owner = Identity(user_id=7, username="Rory", role="user", epoch=0, expires_at=0)
    return [
        database.run(
            add_picture, upload=read_upload(text_of(images.png(note=str(number)))), owner=owner
        )
        for number in range(3)
    ]


def test_s4_get_pictures_are_read_one_at_a_time_and_hold_nothing_open(
    stream, database, stored, monkeypatch
):
    read = []
    content_of = s4_mithril.queries.content_of

    def note(session, picture_id):
        read.append(picture_id)
        return content_of(session, picture_id)

    monkeypatch.setattr(s4_mithril.queries, "content_of", note)
    answer = stream("/api/picture")
    parts = answer.iter_encoded()
    sent = next(parts)

    for number, picture in enumerate(reversed(stored), start=1):
        assert read == [picture.id for picture in reversed(stored)][: number - 1]
        while len(read) < number:
            sent += next(parts)
        assert database.engine.pool.checkedout() == 0
    assert orjson.loads(sent + b"".join(parts))["data"]["total"] == 3


def test_s4_get_pictures_leaves_out_what_is_deleted_meanwhile(stream, database, stored):
    owner = Identity(user_id=7, username="Rory", role="user", epoch=0, expires_at=0)
    answer = stream("/api/picture")
    parts = answer.iter_encoded()
    sent = next(parts)

    for picture in stored[:2]:
        database.run(delete_picture, picture_id=picture.id, actor=owner)

    left = orjson.loads(sent + b"".join(parts))["data"]["pictures"]
    assert [picture["id"] for picture in left] == [stored[2].id]
