# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import TypeAdapter, ValidationError

from auth.names import EmailAddress, Username, name_key

usernames = TypeAdapter(Username)
addresses = TypeAdapter(EmailAddress)


@pytest.mark.parametrize("other", ["ADA", "Ａｄａ", " ada ", "ᴬda"])
def test_spellings_of_one_name_have_one_key(other):
    assert name_key(other) == name_key("ada")


@pytest.mark.parametrize(
    ("one", "two"), [("straße", "STRASSE"), ("ﬁona", "FIONA"), ("Σίσυφος", "ΣΊΣΥΦΟΣ")]
)
def test_folding_goes_beyond_upper_and_lower_case(one, two):
    assert name_key(one) == name_key(two)


def test_a_key_is_its_own_key():
    for text in ("ﬃ", "ΐ", "ǰ", "İstanbul", "Ω", "ͅ", "é"):
        assert name_key(name_key(text)) == name_key(text)


@pytest.mark.parametrize("good", ["a", "ada lovelace", "x" * 80, "Мария", "李", "o'neill", "42"])
def test_names_that_people_have_are_usernames(good):
    assert usernames.validate_python(good) == good


def test_blanks_around_a_username_are_no_part_of_it():
    assert usernames.validate_python("  ada ") == "ada"


@pytest.mark.parametrize(
    "bad",
    ["", "   ", "x" * 81, "a@b", "a＠b", "a\nb", "a\tb", "a\0b", "a\u200bb", "\u202eada", "ﷺ" * 10],
)
def test_a_username_is_one_visible_line_without_an_at_sign(bad):
    with pytest.raises(ValidationError):
        usernames.validate_python(bad)


@pytest.mark.parametrize("good", ["ada@example.com", "a+b@x", "Åda@exämple.com"])
def test_an_address_has_something_on_both_sides_of_one_at_sign(good):
    assert addresses.validate_python(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "ada",
        "@example.com",
        "ada@",
        "a@b@c",
        "a＠b@c",
        "a da@example.com",
        "ada@example.com\r\nBcc: x@y",
        "ada\u2028@example.com",
        "ada\u200b@example.com",
        "a" * 250 + "@x.com",
        "ﷺ" * 20 + "@x.com",
    ],
)
def test_anything_else_is_no_address(bad):
    with pytest.raises(ValidationError):
        addresses.validate_python(bad)
