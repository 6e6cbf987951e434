# SPDX-License-Identifier: Apache-2.0
import base64

import pytest

from common.cursors import SIGNATURE_BYTES, Cursors
from common.problems import Unprocessable

KEY = "k" * 40
LIST = "products/abc"
POSITION = ["2026-11-20T12:00:00.000Z", 42, None]


def refused(cursors, listing, cursor):
    with pytest.raises(Unprocessable) as caught:
        cursors.read(listing, cursor)
    assert list(caught.value.errors) == ["cursor"]
    return True


def test_a_cursor_gives_its_position_back():
    cursors = Cursors(KEY)

    assert cursors.read(LIST, cursors.make(LIST, POSITION)) == POSITION


def test_a_cursor_can_stand_in_an_address_as_it_is():
    made = Cursors(KEY).make(LIST, [[255] * 50, "ÿ?>"])

    assert made.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_is_good_for_its_own_list_only():
    cursors = Cursors(KEY)

    assert refused(cursors, "products/abd", cursors.make(LIST, POSITION))


def test_another_services_cursor_is_refused():
    assert refused(Cursors("other" * 8), LIST, Cursors(KEY).make(LIST, POSITION))


def test_no_single_changed_byte_goes_unnoticed():
    cursors = Cursors(KEY)
    raw = base64.urlsafe_b64decode(cursors.make(LIST, [1, 2]) + "==")

    for place in range(len(raw)):
        forged = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert refused(cursors, LIST, base64.urlsafe_b64encode(forged).decode().rstrip("="))


def test_another_position_under_a_good_signature_is_refused():
    cursors = Cursors(KEY)
    signature = base64.urlsafe_b64decode(cursors.make(LIST, [1]) + "==")[:SIGNATURE_BYTES]

    forged = base64.urlsafe_b64encode(signature + b"[9]").decode().rstrip("=")

    assert refused(cursors, LIST, forged)


@pytest.mark.parametrize(
    "nonsense", ["", "a", "====", "!!!!", "ü", "\x00", "a" * 501, "W10", "../../etc", " ", "\n"]
)
def test_nonsense_is_refused(nonsense):
    assert refused(Cursors(KEY), LIST, nonsense)


def test_a_list_cannot_borrow_the_end_of_anothers_name():
    """Name and position are kept apart in what is signed."""
    cursors = Cursors(KEY)
    raw = base64.urlsafe_b64decode(cursors.make("a", ["b"]) + "==")

    moved = base64.urlsafe_b64encode(raw).decode().rstrip("=")

    assert cursors.read("a", moved) == ["b"]
    assert refused(cursors, 'a\x00["b', moved)
