# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from common.contracts import ProductViewed
from common.events import Envelope
from shipper.views import UnreadableLine, message_of, view_of

RECORD = {
    "id": "0123456789abcdef0123456789abcdef",
    "time": 1795226400.123,
    "product_id": 42,
    "user": "7",
    "session": "5d41402abc4b2a76b9719d911017c592",
    "status": 200,
    "path": "/v1/products/42",
}


def line(**changes):
    record = {name: value for name, value in (RECORD | changes).items() if value is not ...}
    return json.dumps(record, separators=(",", ":")).encode()


def test_view_becomes_the_event_that_the_contract_names():
    message = message_of(view_of(line()))
    envelope = Envelope.from_json(message.body)
    assert message.routing_key == "gateway.product_viewed.v1"
    assert (message.type, envelope.source) == ("ProductViewed", "/souk/gateway")
    assert (envelope.subject, envelope.actor) == ("product/42", "user/7")
    assert envelope.correlationid == message.correlation_id == RECORD["id"]
    assert json.loads(message.body)["time"] == "2026-11-21T02:00:00.123Z"
    assert ProductViewed.model_validate(envelope.data) == ProductViewed(
        product_id=42,
        viewer_id=7,
        session=RECORD["session"],
        status=200,
        path="/v1/products/42",
    )


def test_view_without_a_user_is_a_guests():
    envelope = Envelope.from_json(message_of(view_of(line(user="", status=304))).body)
    assert (envelope.actor, envelope.data["viewer_id"]) == ("guest", None)
    assert envelope.data["status"] == 304


def test_same_line_is_the_same_event_and_another_line_another():
    once, again = (message_of(view_of(line())) for _ in range(2))
    assert once == again
    assert once.id != message_of(view_of(line(id="f" * 32))).id


def test_event_id_is_a_uuid_that_sorts_by_time():
    earlier = view_of(line(id="f" * 32)).event_id
    later = view_of(line(id="0" * 32, time=RECORD["time"] + 0.001)).event_id
    assert earlier.version == later.version == 7
    assert earlier < later


def test_path_that_is_no_text_is_shown_as_well_as_can_be():
    raw = line(path="PATH").replace(b"PATH", b"/product/\xff\xc3")
    assert view_of(raw).path == "/product/\ufffd\ufffd"


def test_line_that_was_broken_off_and_written_on():
    assert view_of(line(product_id=1)[:50] + line(product_id=2)).product_id == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"\0" * 100,
        b"{}",
        b"[]",
        line()[:-1],
        line()[:50],
        line(id="x"),
        line(id=...),
        line(time="now"),
        line(time=-1),
        line(time=1e300),
        line(product_id=0),
        line(product_id="42"),
        line(product_id=10**18),
        line(product_id=None),
        line(user="admin"),
        line(user="0"),
        line(user=7),
        line(session="127.0.0.1"),
        line(status="200"),
        line(path=...),
    ],
)
def test_line_that_is_no_view_is_refused(raw):
    with pytest.raises(UnreadableLine):
        view_of(raw)
