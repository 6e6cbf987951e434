# SPDX-License-Identifier: Apache-2.0
from uuid import UUID, uuid4

import orjson
import pytest

from common.contracts import OneView, ProductsViewed, ProductViewed
from common.events import Envelope
from common.subscriber import Poison, halves_of, read_message

VIEW = {
    "id": UUID("019aa00a-7d10-700a-8a2b-3c4d5e6f700a"),
    "time": "2026-11-20T11:59:12.733Z",
    "request_id": "5f0c9a7e2b814d6f9e3a1c47d8b2f601",
    "product_id": 42,
    "viewer_id": None,
    "session": "b6f1c02d9e8a4477",
    "status": 200,
    "path": "/v1/products/42",
}


def message_of(count):
    views = [OneView(**VIEW | {"id": uuid4()}) for _ in range(count)]
    return Envelope.seal(ProductsViewed(views=views), aggregate_version=0)


@pytest.mark.parametrize("count", [2, 3, 100])
def test_halves_tell_of_all_and_of_each_once(count):
    message = message_of(count)

    halves = halves_of(message.to_json())

    read = [read_message(body) for body in halves.values()]
    assert [str(envelope.id) for envelope, _ in read] == list(halves)
    assert [view["id"] for one, _ in read for view in one.data["views"]] == [
        view["id"] for view in message.data["views"]
    ]
    assert max(len(event.views) for _, event in read) == (count + 1) // 2
    assert {one.routing_key for one, _ in read} == {message.routing_key}
    assert message.id not in {one.id for one, _ in read}


def test_halves_are_the_same_ones_each_time():
    body = message_of(5).to_json()

    assert halves_of(body) == halves_of(body)


def test_what_can_not_be_read_ends_up_alone():
    body = orjson.loads(message_of(100).to_json())
    body["data"]["views"][41]["product_id"] = None
    waiting, alone = [orjson.dumps(body)], []
    while waiting:
        one = waiting.pop()
        try:
            read_message(one)
        except Poison:
            waiting += (halves := halves_of(one)).values()
            alone += [] if halves else [orjson.loads(one)["data"]["views"]]

    assert alone == [[body["data"]["views"][41]]]


def one_view():
    event = ProductViewed(**{name: VIEW[name] for name in ProductViewed.model_fields})
    return Envelope.seal(event, aggregate_version=0).to_json()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        one_view(),
        message_of(0).to_json(),
        message_of(1).to_json(),
        message_of(4)
        .to_json()
        .replace(b'"specversion"', b'"x"')
        .replace(b'"id":"', b'"id":"no-', 1),
        message_of(4).to_json().replace(b'"dataschemaversion":"1"', b'"dataschemaversion":"2"'),
        message_of(4).to_json().replace(b'"ProductsViewed"', b'"ProductsEaten"'),
        message_of(0).to_json().replace(b"[]", b'"many views"'),
        message_of(0).to_json().replace(b"[]", b"null"),
        message_of(0).to_json().replace(b'{"views":[]}', b"null"),
    ],
)
def test_what_tells_of_one_or_of_nothing_has_no_halves(body):
    assert halves_of(body) == {}
