# SPDX-License-Identifier: Apache-2.0
import json
from uuid import UUID

import pytest

from common.contracts import OneView, ProductsViewed
from common.events import Envelope
from shipper.views import UnreadableLine, message_of, shown, view_of

RECORD = {
    "id": "0123456789abcdef0123456789abcdef",
    "time": 1795226400.123,
    "product_id": 42,
    "user": "7",
    "status": 200,
    "path": "/v1/products/42",
    "address": "192.0.2.7",
    "agent": "Mozilla/5.0 (X11; Linux x86_64)",
}
KEY = b"a-key-that-only-this-test-knows"
SESSION = "6140433f6036a6ffe5bf01acef9858bd"


def line(**changes):
    record = {name: value for name, value in (RECORD | changes).items() if value is not ...}
    return json.dumps(record, separators=(",", ":")).encode()


def seen(raw):
    return view_of(raw, KEY)


def test_view_becomes_the_event_that_the_contract_names():
    message = message_of([seen(line()), seen(line(id="f" * 32, time=RECORD["time"] + 1))])
    envelope = Envelope.from_json(message.body)
    assert message.routing_key == "gateway.products_viewed.v1"
    assert (message.type, envelope.source) == ("ProductsViewed", "/souk/gateway")
    assert (envelope.subject, envelope.actor) == ("products", "service/gateway")
    assert envelope.correlationid == message.correlation_id == RECORD["id"]
    assert json.loads(message.body)["time"] == "2026-11-21T02:00:00.123Z"
    first, second = ProductsViewed.model_validate(envelope.data).views
    assert json.loads(message.body)["data"]["views"][1]["time"] == "2026-11-21T02:00:01.123Z"
    assert (first.time, second.request_id) == (envelope.time, "f" * 32)
    assert first == OneView(
        # The release before told of this line under this id: a reader who has it knows it again.
        id=UUID("01a1fbd4-f57b-7def-8123-456789abcdef"),
        time=first.time,
        request_id=RECORD["id"],
        product_id=42,
        viewer_id=7,
        session=SESSION,
        status=200,
        path="/v1/products/42",
    )


def test_nobody_learns_the_viewers_address_or_agent():
    view = seen(line())
    message = message_of([view])
    for told in (message.body.decode(), repr(message), repr(view)):
        assert RECORD["address"] not in told
        assert RECORD["agent"] not in told


def test_line_of_the_release_before_has_its_session_already():
    view = seen(line(address=..., agent=..., session="5d41402abc4b2a76b9719d911017c592"))
    assert view.session == "5d41402abc4b2a76b9719d911017c592"


@pytest.mark.parametrize(
    ("address", "agent", "session"),
    [
        ("127.0.0.1", b"", "3384127a3b1bd3b6938bb56088ca54fd"),
        ("127.0.0.1", b"Mozilla/5.0 (X11; Linux x86_64)", "49b17aa833e1c2ceed184b1e64ad8886"),
        ("127.0.0.1", "Жук/1.0 ü".encode(), "3027fdf91f0c41fbe134c50f3914d2e2"),
        ("127.0.0.1", rb"\"\\\t\u0001 x", "81606bc842173dfa8b0dacf31f218028"),
        ("127.0.0.1", b"\xff\xc3(", "ec6715a8eb90c84ce7bd50735cf45153"),
        ("127.0.0.1", b"a" * 8178, "bab3d3facd979d5ae3b3df39ea809a7e"),
        ("127.0.0.1", rb"\u0001" * 8178, "cb3003f8ecdfd2d48bf71ca9d98b00ad"),
    ],
)
def test_a_viewer_is_known_by_the_session_that_nginx_gave_before(address, agent, session):
    """What the release before wrote for them, under the same key."""
    assert seen(line(address=address, agent="AGENT").replace(b"AGENT", agent)).session == session


def test_another_key_makes_all_viewers_others():
    assert view_of(line(), b"another key").session != seen(line()).session


def test_view_without_a_user_is_a_guests():
    view = seen(line(user="", status=304)).told()
    assert (view.viewer_id, view.status) == (None, 304)


def test_same_lines_are_the_same_event_and_other_lines_another():
    once, again = (message_of([seen(line())]) for _ in range(2))
    assert once == again
    another = seen(line(id="f" * 32))
    ids = {message_of(views).id for views in ([seen(line())], [another], [seen(line()), another])}
    assert len(ids | {once.id}) == 3
    assert seen(line()).event_id not in ids


def test_event_id_is_a_uuid_that_sorts_by_time():
    earlier = seen(line(id="f" * 32)).event_id
    later = seen(line(id="0" * 32, time=RECORD["time"] + 0.001)).event_id
    assert earlier.version == later.version == 7
    assert earlier < later


def test_path_that_is_no_text_is_shown_as_well_as_can_be():
    raw = line(path="PATH").replace(b"PATH", b"/product/\xff\xc3")
    assert seen(raw).path == "/product/\ufffd\ufffd"


def test_line_that_was_broken_off_and_written_on():
    assert seen(line(product_id=1)[:50] + line(product_id=2)).product_id == 2


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
        line(address=...),
        line(agent=...),
        line(status="200"),
        line(path=...),
    ],
)
def test_line_that_is_no_view_is_refused(raw):
    with pytest.raises(UnreadableLine):
        seen(raw)


BEFORE_THE_VIEWER = line().partition(b'"address"')[0]
END = line()[-30:]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (line()[:-1], BEFORE_THE_VIEWER),
        (line()[:50] + line()[:-1], line()[:50] + BEFORE_THE_VIEWER),
        (line(path="/" + "x" * 300)[:-1], line(path="/" + "x" * 300)[:200]),
        (line()[:40] + b"\0" * 50 + END, line()[:40]),
        (b"\0" * 50 + END, b""),
        (END, b""),
        (b"", b""),
    ],
)
def test_of_a_line_that_is_no_view_nothing_is_shown_that_may_be_a_viewers(raw, told):
    with pytest.raises(UnreadableLine) as raised:
        seen(raw)
    assert RECORD["address"] not in str(raised.value.__cause__)
    assert shown(raw) == told.decode()
