# SPDX-License-Identifier: Apache-2.0
"""Failed log-ins in a row cost waits."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import monotonic

import pytest
from prometheus_client import REGISTRY

from auth.throttle import LONGEST_WAIT_SECONDS, REMEMBERED_SECONDS, Throttle

PASSWORD = "correct horse battery staple"


@pytest.fixture
def throttle(redis):
    return Throttle(redis, free_failures=9)


@pytest.fixture
def log_in(client):
    return lambda login, password=PASSWORD: client.post(
        "/v1/auth/login", json={"login": login, "password": password}
    )


@pytest.fixture
def end_wait(redis):
    """Lets the waits of all accounts be over."""

    def end():
        for key in redis.scan_iter("login:*:wait"):
            redis.delete(key)

    return end


def test_the_waits_double_up_to_a_quarter_of_an_hour(throttle):
    waits = [throttle.failed("user/1") for _ in range(25)]

    assert waits[:9] == [0] * 9
    assert waits[9:19] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert waits[19:] == [LONGEST_WAIT_SECONDS] * 6


def test_even_very_many_failures_have_the_longest_wait(throttle, redis):
    redis.set("login:user/1:failures", 10**6)

    assert throttle.failed("user/1") == LONGEST_WAIT_SECONDS


def test_a_wait_is_told_in_whole_seconds_and_never_as_less_than_it_is(throttle, redis, monkeypatch):
    assert throttle.seconds_to_wait("user/1") == 0
    monkeypatch.setattr(redis, "pttl", lambda _key: 1500)

    assert throttle.seconds_to_wait("user/1") == 2


def test_judged_passwords_are_counted_by_what_they_were(throttle, redis):
    def counted():
        return {
            outcome: REGISTRY.get_sample_value("souk_passwords_total", {"outcome": outcome}) or 0
            for outcome in ("right", "wrong", "throttled")
        }

    before = counted()
    for _ in range(10):
        assert throttle.seconds_to_wait("user/1") == 0
        throttle.failed("user/1")
    redis.set("login:user/1:wait", 1, ex=100)
    assert throttle.seconds_to_wait("user/1") > 0
    throttle.succeeded("user/1")

    more = {outcome: count - before[outcome] for outcome, count in counted().items()}
    assert more == {"right": 1, "wrong": 10, "throttled": 1}


def test_a_success_forgets_failures_and_wait(throttle):
    for _ in range(12):
        throttle.failed("user/1")

    throttle.succeeded("user/1")

    assert throttle.seconds_to_wait("user/1") == 0
    assert throttle.failed("user/1") == 0


def test_accounts_are_counted_apart(throttle):
    for _ in range(12):
        throttle.failed("user/1")

    assert throttle.failed("user/2") == 0
    assert throttle.seconds_to_wait("user/2") == 0


def test_nothing_is_remembered_for_ever(throttle, redis):
    for _ in range(12):
        throttle.failed("user/1")

    lives = [redis.ttl(key) for key in redis.scan_iter("*")]
    assert len(lives) == 2
    assert all(0 < life <= REMEMBERED_SECONDS for life in lives)


def test_failures_at_once_are_all_counted(throttle):
    start = Barrier(8)

    def fail(_number):
        start.wait()
        return throttle.failed("user/1")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fail, range(8)))

    assert [throttle.failed("user/1"), throttle.failed("user/1")] == [0, 1]


@pytest.mark.parametrize("login", ["ada", "nobody"])
def test_the_tenth_failure_in_a_row_has_to_wait_whoever_it_is(log_in, add_user, login):
    add_user("ada")

    answers = [log_in(login, "wrong guess") for _ in range(10)]

    assert [answer.status_code for answer in answers] == [401] * 9 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert answers[-1].json["code"] == "too_many_failures"


def test_while_an_account_waits_even_the_right_password_is_not_looked_at(log_in, add_user, redis):
    ada = add_user("ada")
    redis.set(f"login:user/{ada.id}:wait", 1, ex=100)

    began = monotonic()

    answer = log_in("ada")

    assert answer.status_code == 429
    assert 98 - (monotonic() - began) <= int(answer.headers["Retry-After"]) <= 100


def test_after_the_wait_the_right_password_works_and_the_count_begins_anew(
    log_in, add_user, end_wait
):
    add_user("ada")
    for _ in range(12):
        log_in("ada", "wrong guess")
        end_wait()

    assert log_in("ada").status_code == 200
    assert log_in("ada", "wrong guess").status_code == 401


def test_the_tenth_attempt_may_still_be_the_right_one(log_in, add_user):
    add_user("ada")
    for _ in range(9):
        log_in("ada", "wrong guess")

    assert log_in("ada").status_code == 200


def test_name_and_address_are_one_account(log_in, add_user):
    add_user("ada", email="ada@example.com")
    for _ in range(9):
        log_in("ada", "wrong guess")

    assert log_in("ADA@example.com", "wrong guess").status_code == 429


def test_an_unknown_name_is_one_account_in_all_spellings(log_in):
    for _ in range(9):
        log_in("nobody", "wrong guess")

    assert log_in("NOBODY", "wrong guess").status_code == 429


def test_a_burst_of_guesses_gets_no_more_looks_than_there_are_turns_too_many(make_app, add_user):
    app = make_app(hashing_at_once=2, hashing_wait_seconds=30)
    add_user("ada")
    start = Barrier(20)

    def guess(number):
        start.wait()
        body = {"login": "ada", "password": f"wrong guess {number}"}
        return app.test_client().post("/v1/auth/login", json=body)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(guess, range(20)))

    assert [answer.status_code for answer in answers].count(401) == 9
    assert [answer.status_code for answer in answers].count(429) == 11


def test_many_right_log_ins_at_once_are_no_failures(make_app, add_user):
    app = make_app(hashing_wait_seconds=30)
    add_user("ada")
    start = Barrier(20)

    def enter(_number):
        start.wait()
        body = {"login": "ada", "password": PASSWORD}
        return app.test_client().post("/v1/auth/login", json=body).status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(enter, range(20))) == {200}


def test_too_many_log_ins_at_once_are_told_to_come_again(make_app, add_user):
    app = make_app(hashing_at_once=1, hashing_wait_seconds=0.01)
    add_user("ada")
    with app.extensions["accounts"]._hashing.turn():
        body = {"login": "ada", "password": PASSWORD}
        answer = app.test_client().post("/v1/auth/login", json=body)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
