# SPDX-License-Identifier: Apache-2.0
import threading

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type
from pydantic import SecretStr, TypeAdapter, ValidationError

from auth.passwords import GivenPassword, Hashing, Password, commonest
from common.problems import Unavailable

kept = TypeAdapter(Password)
given = TypeAdapter(GivenPassword)


@pytest.fixture(scope="module")
def hashing():
    return Hashing(at_once=2, wait_seconds=0.05)


@pytest.mark.parametrize(
    "good", ["8 signs.", "x" * 256, "        ", "🐎🔋📎🐎🔋📎🐎🔋", "línea\nline"]
)
def test_a_password_has_8_to_256_characters_of_any_kind(good):
    assert kept.validate_python(good).get_secret_value() == good


@pytest.mark.parametrize(
    "bad", ["", "7 signs", "x" * 257, "with\0zero", "password1", "PassWord123"]
)
def test_a_short_long_or_common_password_is_refused_without_showing_it(bad):
    with pytest.raises(ValidationError) as refusal:
        kept.validate_python(bad)

    messages = [error["msg"] for error in refusal.value.errors()]
    assert not any(bad and bad in message for message in messages)


def test_a_password_to_compare_may_be_older_than_the_rules():
    assert given.validate_python("12345").get_secret_value() == "12345"
    for bad in ("", "x" * 257, "a\0b"):
        with pytest.raises(ValidationError):
            given.validate_python(bad)


def test_the_list_of_common_passwords_has_what_could_pass_the_length_and_nothing_twice():
    assert len(commonest()) > 1000
    assert all(len(password) >= 8 for password in commonest())
    assert all(password == password.casefold() for password in commonest())


def test_repr_shows_no_password():
    assert "battery" not in repr(kept.validate_python("correct horse battery"))


def test_passwords_are_kept_by_argon2id_with_19_mib_and_two_passes(hashing):
    parameters = extract_parameters(hashing.hash(SecretStr("correct horse")))

    assert (parameters.type, parameters.memory_cost) == (Type.ID, 19 * 1024)
    assert (parameters.time_cost, parameters.parallelism) == (2, 1)


def test_only_the_very_same_password_matches(hashing):
    kept_hash = hashing.hash(SecretStr(" Correct horse "))

    assert hashing.matches(kept_hash, SecretStr(" Correct horse "))
    for other in ("Correct horse", " correct horse ", " Correct horse  ", ""):
        assert not hashing.matches(kept_hash, SecretStr(other))


def test_a_long_password_is_not_cut(hashing):
    kept_hash = hashing.hash(SecretStr("x" * 256))

    assert not hashing.matches(kept_hash, SecretStr("x" * 255 + "y"))


def test_no_password_matches_where_there_is_no_hash(hashing):
    assert not hashing.matches(None, SecretStr("the password of nobody"))


def test_comparing_without_a_hash_does_the_same_work(hashing, monkeypatch):
    compared = []
    verify = hashing._hasher.verify

    class Spy:
        def verify(self, password_hash, password):
            compared.append(extract_parameters(password_hash))
            return verify(password_hash, password)

    monkeypatch.setattr(hashing, "_hasher", Spy())
    hashing.matches(None, SecretStr("guess"))
    monkeypatch.undo()
    parameters_of_a_users_hash = extract_parameters(hashing.hash(SecretStr("correct horse")))

    assert compared == [parameters_of_a_users_hash]


def test_who_gets_no_turn_in_time_is_told_to_come_again(hashing):
    with hashing.turn(), hashing.turn(), pytest.raises(Unavailable) as refusal:
        hashing.hash(SecretStr("correct horse"))

    assert refusal.value.headers["Retry-After"] == "1"


def test_no_more_than_the_named_number_hash_at_once():
    hashing = Hashing(at_once=2, wait_seconds=10)
    together, most, lock, start = 0, 0, threading.Lock(), threading.Barrier(6)

    def work():
        nonlocal together, most
        start.wait()
        with hashing.turn():
            with lock:
                together += 1
                most = max(most, together)
            hashing.matches(None, SecretStr("guess"))
            with lock:
                together -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 2
