# SPDX-License-Identifier: Apache-2.0
"""Who may call: marks on routes, and whether a token that verifies is still good."""

import threading
import time
from contextlib import suppress

import pytest
from flask import Flask, jsonify
from redis import RedisError

from common import access
from common.access import Epochs, Guard, identity, internal, public, requires, visitor
from common.context import current_trace
from common.problems import Problem, TokenInvalid, Unavailable
from common.refusals import response_to
from common.testing.tokens import TokenFactory
from common.tokens import Identity, KeySet, ServiceTokens, Verifier

SERVICE_KEY = "0123456789abcdefghijklmnopqrstuvwxyz"
FACTORY = TokenFactory(SERVICE_KEY)
GOOD = FACTORY.token(exp=int(time.time()) + 86_400)


class FakeRedis:
    """Redis as Epochs sees it: one value, or away; counts its questions."""

    def __init__(self):
        self.value = None
        self.away = False
        self.asked = 0

    def get(self, _key):
        self.asked += 1
        if self.away:
            raise RedisError("away")
        return self.value


class FakeAuth:
    def __init__(self, epoch=0):
        self.epoch = epoch
        self.away = False
        self.asked = 0

    def ask(self, _user_id):
        self.asked += 1
        if self.away:
            raise Unavailable
        return self.epoch


@pytest.fixture
def redis():
    return FakeRedis()


@pytest.fixture
def auth():
    return FakeAuth()


@pytest.fixture
def epochs(redis, auth):
    return Epochs(redis, auth.ask)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(access, "time", made)
    return made


def who(epoch=0, user_id=7):
    return Identity(user_id=user_id, username="ada", role="user", epoch=epoch, expires_at=2**40)


def test_a_copy_in_redis_saves_the_question(epochs, redis, auth):
    redis.value = b"3"

    epochs.must_hold(who(epoch=3), at_once=True)

    assert (redis.asked, auth.asked) == (1, 0)


@pytest.mark.parametrize("copy", [b"2", b"4", b"?", b"", b"-3", None, b"three"])
def test_auth_is_asked_where_redis_says_anything_else(epochs, redis, auth, copy):
    redis.value, auth.epoch = copy, 3

    epochs.must_hold(who(epoch=3), at_once=True)

    assert (redis.asked, auth.asked) == (1, 1)


def test_auth_decides_and_not_redis_where_they_differ(epochs, redis, auth):
    redis.value, auth.epoch = b"9", 3

    epochs.must_hold(who(epoch=3), at_once=True)
    with pytest.raises(TokenInvalid):
        epochs.must_hold(who(epoch=4), at_once=True)


@pytest.mark.parametrize("truth", [4, 2, None])
def test_a_dead_token_is_refused(epochs, auth, truth):
    """Another epoch, or no such user any more."""
    auth.epoch = truth

    with pytest.raises(TokenInvalid):
        epochs.must_hold(who(epoch=3), at_once=True)


def test_without_redis_auth_is_asked(epochs, redis, auth):
    redis.away = True

    epochs.must_hold(who(), at_once=True)

    assert auth.asked == 1


def test_when_nobody_knows_the_answer_is_neither_yes_nor_no(epochs, redis, auth):
    redis.away = auth.away = True

    with pytest.raises(Unavailable):
        epochs.must_hold(who(), at_once=True)


def test_a_read_trusts_what_was_true_a_moment_ago(epochs, redis, auth, clock):
    epochs.must_hold(who(), at_once=False)
    auth.epoch = 1
    clock.now += access.READS_MAY_LAG_SECONDS - 1

    epochs.must_hold(who(), at_once=False)

    assert auth.asked == 1


def test_a_read_asks_again_after_its_moment(epochs, auth, clock):
    epochs.must_hold(who(), at_once=False)
    auth.epoch = 1
    clock.now += access.READS_MAY_LAG_SECONDS + 1

    with pytest.raises(TokenInvalid):
        epochs.must_hold(who(), at_once=False)


def test_a_write_never_trusts_what_was_true_a_moment_ago(epochs, auth, clock):
    epochs.must_hold(who(), at_once=False)
    auth.epoch = 1

    with pytest.raises(TokenInvalid):
        epochs.must_hold(who(), at_once=True)


def test_lag_and_the_gateways_cache_stay_below_thirty_seconds():
    assert access.READS_MAY_LAG_SECONDS <= 25


def test_memory_of_users_is_bounded(epochs, monkeypatch):
    monkeypatch.setattr(access, "REMEMBERED_USERS", 3)
    for user_id in range(20):
        epochs.must_hold(who(user_id=user_id), at_once=False)

    assert len(epochs._known) <= 3


def test_a_slow_redis_is_asked_by_all_at_once_and_not_one_after_the_other(epochs, redis):
    """The breaker must not be a lock around the question."""
    meeting = threading.Barrier(4, timeout=60)
    met = []

    def get(_key):
        meeting.wait()
        met.append(1)
        return b"0"

    redis.get = get

    def ask():
        with suppress(threading.BrokenBarrierError):
            epochs.must_hold(who(), at_once=True)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(met) == 4


def test_a_redis_that_is_gone_is_left_alone_for_a_while(epochs, redis):
    redis.away = True
    epochs._breaker.reset_timeout = 3600

    for _ in range(50):
        epochs.must_hold(who(), at_once=True)

    assert redis.asked <= 3


@pytest.fixture
def client(auth):
    app = Flask("test", static_folder=None)
    app.extensions["guard"] = Guard(
        Verifier(KeySet(FACTORY.key_set), issuer="souk", audience="souk"),
        Epochs(FakeRedis(), auth.ask),
        ServiceTokens(SERVICE_KEY, "catalog"),
    )
    app.register_error_handler(Problem, response_to)

    @app.get("/public")
    @public
    def get_public():
        known = visitor()
        return jsonify(known.username if known else None)

    @app.route("/mine", methods=["GET", "POST"])
    @requires()
    def get_mine():
        return jsonify([identity().username, current_trace().actor])

    @app.get("/reports")
    @requires("admin", "analyst")
    def get_reports():
        return jsonify(identity().role)

    @app.get("/internal")
    @internal
    def get_internal():
        return jsonify(current_trace().actor)

    with app.test_client() as client:
        yield client


def code(response):
    return response.status_code, response.get_json(force=True)["code"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {GOOD}"},
        {"Authorization": f"bearer {GOOD}"},
        {"Authorization": f"  Bearer   {GOOD} "},
        {"Authorization": GOOD},
        {"Autorization": GOOD},
        {"Autorization": f"Bearer {GOOD}"},
        {"Authorization": GOOD, "Autorization": "nonsense"},
    ],
)
def test_a_token_is_found_however_the_seeds_send_it(client, headers):
    assert client.get("/mine", headers=headers).get_json() == ["ada", "user/1"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer "}],
)
def test_without_a_token_a_user_is_asked_for_one(client, headers):
    if headers.get("Authorization") == "Bearer ":
        expected = {"token_missing", "token_invalid"}
    else:
        expected = {"token_missing"}

    status, said = code(client.get("/mine", headers=headers))

    assert status == 401
    assert said in expected


def test_a_role_opens_what_is_its_own_and_nothing_else(client):
    for role, status in [("admin", 200), ("analyst", 200), ("user", 403)]:
        answer = client.get("/reports", headers=FACTORY.bearer(role=role))
        assert answer.status_code == status


def test_a_demoted_admin_writes_nothing_more(client, auth):
    headers = FACTORY.bearer(role="admin")
    assert client.post("/mine", headers=headers).status_code == 200
    auth.epoch = 1

    assert client.get("/mine", headers=headers).status_code == 200
    assert code(client.post("/mine", headers=headers)) == (401, "token_invalid")


def test_a_public_page_knows_a_visitor_who_shows_a_token(client):
    assert client.get("/public").get_json() is None
    assert client.get("/public", headers=FACTORY.bearer(username="grace")).get_json() == "grace"


@pytest.mark.parametrize(
    "token", ["nonsense", FACTORY.token(iss="evil"), FACTORY.token(iat=0, nbf=0, exp=1), ""]
)
def test_a_public_page_takes_a_bad_token_for_none(client, token):
    answer = client.get("/public", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.get_json()) == (200, None)


def test_a_public_page_takes_a_dead_token_for_none(client, auth):
    auth.epoch = None

    assert client.get("/public", headers=FACTORY.bearer()).get_json() is None


def test_a_public_page_stays_up_when_nobody_can_tell_whether_a_token_holds(client, auth):
    auth.away = True

    answer = client.get("/public", headers=FACTORY.bearer())

    assert (answer.status_code, answer.get_json()) == (200, None)
    assert client.get("/mine", headers=FACTORY.bearer()).status_code == 503


def test_another_service_may_call_what_is_internal_in_a_users_name(client):
    headers = FACTORY.service_bearer("orders")

    assert client.get("/internal", headers=headers).get_json() == "service/orders"
    in_name = client.get("/internal", headers=headers | {"X-Souk-Actor": "user/7"})
    assert in_name.get_json() == "user/7"


def test_no_user_may_call_what_is_internal(client):
    for headers in ({}, FACTORY.bearer(role="admin"), {"Authorization": "Bearer nonsense"}):
        assert client.get("/internal", headers=headers).status_code == 401


def test_no_service_is_a_user(client):
    assert client.get("/mine", headers=FACTORY.service_bearer("orders")).status_code == 401


def test_every_mark_can_be_read_from_the_view(client):
    views = client.application.view_functions

    assert {name: view.access for name, view in views.items()} == {
        "get_public": "public",
        "get_mine": "user",
        "get_reports": "admin,analyst",
        "get_internal": "internal",
    }
