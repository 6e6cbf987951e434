# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import BaseHeader
from uuid import UUID

import pytest

from notifier.letters import MOST_NAMED_EVENTS, compose
from notifier.queries import Letter

MAIL_ID = UUID(int=7)
NOW = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)


@pytest.fixture
def write(make):
    """Composes a mail of events and reads it back from its bytes."""

    def write_one(*notices, actor="user/7", usernames=None):
        parts = [
            [(make.seal(event, actor=actor, correlationid="c0ffee"), event) for event in events]
            for events in notices
        ]
        found = Letter(
            mail_id=MAIL_ID,
            address="ada@example.com",
            notices=parts,
            delivery_ids=[],
            unwanted_ids=[],
            usernames={"user/7": "grace"} if usernames is None else usernames,
            names={},
        )
        mail = compose(found, source="shop@example.org", currency="USD", now=NOW)
        return parts, message_from_bytes(mail.as_bytes(), policy=policy.default)

    return write_one


def bodies(mail):
    return [mail.get_body((kind,)).get_content() for kind in ("plain", "html")]


def test_a_mail_has_every_header_that_it_needs(make, write):
    parts, mail = write([make.price()])

    assert mail["From"].addresses[0].addr_spec == "shop@example.org"
    assert str(mail["To"]) == "ada@example.com"
    assert mail["Subject"] == "Price changed: Blue shoes 12.50 → 10.00 USD"
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == f"<{MAIL_ID}@example.org>"
    assert mail["X-Souk-Event-Id"] == str(parts[0][0][0].id)
    assert mail["X-Request-Id"] == "c0ffee"
    assert mail.get_content_type() == "multipart/alternative"


def test_text_and_page_say_what_changed_from_what_to_what_by_whom_and_when(make, write):
    _, mail = write([make.price(), make.changed({"mark": ("Acme", "Bolt")})])

    for body in bodies(mail):
        for fact in ("Blue shoes", "SH-42", "42", "12.50 USD", "10.00 USD", "Acme", "Bolt"):
            assert fact in body
        assert "grace (user/7)" in body
        assert "2026-11-20 12:00:00 UTC" in body


def test_somebody_unknown_is_shown_as_the_event_names_them(make, write):
    _, mail = write([make.price()], actor="service/orders", usernames={})

    assert all("service/orders" in body for body in bodies(mail))


def test_markup_in_a_name_is_text(make, write):
    _, mail = write([make.price(name='<script src="//evil"></script><b>Shoes</b>')])

    page = bodies(mail)[1]
    assert "<script" not in page
    assert "&lt;b&gt;Shoes&lt;/b&gt;" in page


def test_a_template_in_a_name_is_text(make, write):
    _, mail = write([make.price(name="{{ 7*7 }}{% raw %}")])

    for body in bodies(mail):
        assert "{{ 7*7 }}" in body
        assert "49" not in body


def test_line_breaks_in_a_name_add_no_header_and_no_line(make, write):
    _, mail = write([make.price(name="Shoes\r\nBcc: eve@example.net\r\n\r\nhello")])

    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("Price changed: Shoes Bcc: eve@example.net hello")
    assert not any(line.startswith("Bcc:") for line in bodies(mail)[0].splitlines())


def test_line_breaks_in_a_correlation_id_or_an_actor_add_no_header(make, write):
    _, mail = write([make.price()], actor="user/7\r\nBcc: eve@example.net", usernames={})

    assert mail["Bcc"] is None


def test_an_address_with_a_line_break_is_no_address(make):
    event = make.price()
    found = Letter(
        mail_id=MAIL_ID,
        address="ada@example.com\r\nBcc: eve@example.net",
        notices=[[(make.seal(event), event)]],
        delivery_ids=[],
        unwanted_ids=[],
        usernames={},
        names={},
    )

    with pytest.raises(ValueError):
        compose(found, source="shop@example.org", currency="USD", now=NOW)


def test_a_mail_is_plain_ascii_with_whole_line_ends(make):
    event = make.price(name="Größe 𝄞 " + "x" * 500)
    found = Letter(
        mail_id=MAIL_ID,
        address="ada@example.com",
        notices=[[(make.seal(event), event)]],
        delivery_ids=[],
        unwanted_ids=[],
        usernames={},
        names={},
    )

    content = compose(found, source="shop@example.org", currency="USD", now=NOW).as_bytes()

    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998


def test_the_page_carries_its_styles_inside_and_fetches_nothing(make, write):
    page = bodies(write([make.price()])[1])[1]

    assert "<style" not in page
    assert 'style="' in page
    assert "http" not in page


def test_a_receipt_shows_lines_and_total_and_no_actor(make, write):
    _, mail = write([make.order()])

    for body in bodies(mail):
        for fact in ("Blue shoes", "12.50 USD", "25.00 USD", "0199-order"):
            assert fact in body
        assert "user/7" not in body


def test_a_digest_lists_every_change_with_old_and_new(make, write):
    prices = [make.price(100 * number, 100 * number + 1) for number in range(1, 200)]

    parts, mail = write(*[[price] for price in prices], [make.order()])

    assert mail["Subject"] == "Digest: 200 changes"
    for body in bodies(mail):
        for number in range(1, 200):
            assert f"{number}.00 → {number}.01 USD" in body
        assert "25.00 USD" in body
    assert len(mail.get_all("X-Souk-Event-Id")) == MOST_NAMED_EVENTS
    assert mail["X-Souk-Event-Id"] == str(parts[0][0][0].id)


def test_markup_in_a_digest_is_text(make, write):
    _, mail = write([make.price(name="<i>a</i>")], [make.changed({"mark": ("<u>b</u>", None)})])

    page = bodies(mail)[1]
    assert "<i>" not in page
    assert "<u>" not in page


def test_a_header_is_read_and_folded_once_for_all_mails(make, monkeypatch):
    asked = []
    for name in ("__new__", "fold"):
        monkeypatch.setattr(BaseHeader, name, noting(asked, name, getattr(BaseHeader, name)))

    def made(event):
        letter = Letter(
            mail_id=MAIL_ID,
            address="ada@example.com",
            notices=[[(make.seal(event, correlationid="c0ffee"), event)]],
            delivery_ids=[],
            unwanted_ids=[],
            usernames={},
            names={},
        )
        asked.clear()
        compose(letter, source="shop@example.org", currency="USD", now=NOW).as_bytes()
        return Counter(asked)

    made(make.price())

    only_the_event_is_another = made(make.price())
    the_subject_too = made(make.price(name="Shoes that nobody has heard of"))
    assert only_the_event_is_another == {"__new__": 1, "fold": 1}
    assert the_subject_too == {"__new__": 2, "fold": 2}


def noting(asked, name, theirs):
    def noted(*args, **kwargs):
        asked.append(name)
        return theirs(*args, **kwargs)

    return noted
