# SPDX-License-Identifier: Apache-2.0
import time

from common import identifiers
from common.identifiers import uuid7


def at(monkeypatch, milliseconds):
    monkeypatch.setattr(identifiers.time, "time_ns", lambda: milliseconds * 1_000_000 + 999_999)
    return uuid7()


def test_it_says_that_it_is_version_seven_of_the_rfc_variant():
    for _ in range(200):
        made = uuid7()
        assert made.version == 7
        assert made.variant == "specified in RFC 4122"


def test_its_first_48_bits_are_unix_milliseconds(monkeypatch):
    # The example of RFC 9562, appendix A.6: 2022-02-22 14:22:22 -05:00.
    assert at(monkeypatch, 0x017F22E279B0).int >> 80 == 0x017F22E279B0
    assert str(at(monkeypatch, 0x017F22E279B0)).startswith("017f22e2-79b0-7")


def test_a_later_millisecond_sorts_behind_an_earlier_one(monkeypatch):
    start = time.time_ns() // 1_000_000
    made = [at(monkeypatch, start + step) for step in range(300)]

    assert made == sorted(made)
    assert [one.bytes for one in made] == sorted(one.bytes for one in made)


def test_one_millisecond_is_enough_for_many(monkeypatch):
    assert len({at(monkeypatch, 1) for _ in range(2000)}) == 2000
