# SPDX-License-Identifier: Apache-2.0
"""Rotations of the signing key, while several processes of auth issue tokens and others check."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from jwt import PyJWKSet
from sqlalchemy import select, update

from auth import keyring
from auth.app import create_app
from auth.errors import KeyPending, KeysSealedOtherwise, KeyUnknown
from auth.keys import EnvironmentKeys
from auth.models import SigningKey
from auth.rotation import Rotation
from common import tokens
from common.problems import TokenInvalid, Unavailable
from common.testing import eventually
from common.tokens import KeySet, Verifier

LEAD, LIFE, DAY = timedelta(seconds=120), timedelta(seconds=600), timedelta(days=1)


@pytest.fixture
def config(make_config):
    return make_config()


@pytest.fixture
def rotation(config, database):
    return Rotation(config, config.secret_key.get_secret_value(), database)


@pytest.fixture
def at_once(monkeypatch):
    """No process and no reader trusts what it knew a moment ago."""
    monkeypatch.setattr(keyring, "READ_SECONDS", 0)
    monkeypatch.setattr(keyring, "PATIENCE_SECONDS", 30)
    monkeypatch.setattr(keyring, "FIRST_PATIENCE_SECONDS", 30)
    monkeypatch.setattr(tokens, "KEYS_ASK_AGAIN_SECONDS", 0)
    monkeypatch.setattr(tokens, "KEYS_FRESH_SECONDS", 0)


@pytest.fixture
def processes(config, database, at_once):
    """Two web processes of auth."""
    return [create_app(config, database=database) for _ in range(2)]


@pytest.fixture
def ada(add_user):
    return add_user("ada")


@pytest.fixture
def later(database):
    """Lets time pass for the keys: moves all that is known of them into the past."""

    def pass_by(time):
        def shift(session):
            for key in session.scalars(select(SigningKey)):
                key.published_at -= time
                key.signs_from -= time
                key.retires_at = key.retires_at and key.retires_at - time

        database.run(shift)

    return pass_by


def issue(app, user):
    return app.extensions["access_tokens"].issue(user)


def shown(app):
    answer = app.test_client().get("/.well-known/jwks.json")
    assert answer.status_code == 200
    return answer.json


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def kids(app):
    return [key["kid"] for key in shown(app)["keys"]]


def as_the_gateway_does(app, token):
    """Whether a token has the signature of a key in the set, by PyJWT alone."""
    keys = {key.key_id: key for key in PyJWKSet.from_dict(shown(app)).keys}
    key = keys[kid_of(token)]
    return jwt.decode(token, key, algorithms=["ES256"], audience="souk", issuer="souk")["sub"]


def test_tokens_of_before_during_and_after_are_good_everywhere(processes, rotation, ada, later):
    one, two = processes
    verifier = Verifier(KeySet(lambda: shown(two)), issuer="souk", audience="souk")
    own_key = kid_of(issue(one, ada))
    issued = [issue(one, ada)]

    new = rotation.rotate()
    issued += [issue(one, ada), issue(two, ada)]
    assert [kid_of(token) for token in issued] == [own_key] * 3, "it is shown before it signs"
    assert kids(one) == kids(two) == [new.kid, own_key]

    later(LEAD)
    issued += [issue(one, ada), issue(two, ada)]
    assert [kid_of(token) for token in issued[3:]] == [new.kid] * 2
    later(DAY)

    for token in issued:
        assert as_the_gateway_does(two, token) == str(ada.id)
        assert verifier.verify(token).user_id == ada.id
        headers = {"Authorization": f"Bearer {token}"}
        assert two.test_client().get("/v1/users/me", headers=headers).status_code == 200
    later(LEAD)
    assert kids(one) == [new.kid], "the last token of the old key, a guest's, is over"


def test_whoever_never_rotates_has_the_environments_key(processes, private_key, ada):
    own = EnvironmentKeys(private_key).signing().kid

    assert kid_of(issue(processes[0], ada)) == own
    assert kids(processes[0]) == [own]


def test_the_database_holds_no_private_key_that_can_be_read(rotation, database, later):
    for _ in range(2):
        rotation.rotate()
        later(2 * LEAD + DAY)
    rotation.rotate()

    first, second, third, last = rotation.keys()[1]
    assert first.private_key is second.private_key is None, "one is the environment's, one is over"
    for key in (third, last):
        for read in (
            serialization.load_der_private_key,
            serialization.load_pem_private_key,
        ):
            with pytest.raises(ValueError):
                read(key.private_key, password=None)


def test_a_second_rotation_waits_for_the_first(rotation, later):
    first = rotation.rotate()

    with pytest.raises(KeyPending, match=first.kid):
        rotation.rotate()

    later(LEAD)
    assert rotation.rotate().number == 3


@pytest.mark.parametrize("before", [0, 1], ids=["the first ever", "a later one"])
def test_of_rotations_at_once_one_happens(rotation, later, before):
    for _ in range(before):
        rotation.rotate()
        later(LEAD)
    together = threading.Barrier(4)

    def rotate(_number):
        together.wait()
        try:
            return rotation.rotate().kid
        except KeyPending:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [kid for kid in pool.map(rotate, range(4)) if kid]

    assert len(made) == 1
    assert [key.number for key in rotation.keys()[1]] == [1, 2, 3][: before + 2]


def test_retiring_the_key_that_signs_kills_its_tokens_and_nobody_is_left_without(
    processes, rotation, ada
):
    one, two = processes
    verifier = Verifier(KeySet(lambda: shown(two)), issuer="souk", audience="souk")
    stolen = issue(one, ada)
    assert verifier.verify(stolen).user_id == ada.id

    new = rotation.retire(1)

    for app in processes:
        assert kids(app) == [new.kid]
        headers = {"Authorization": f"Bearer {stolen}"}
        assert app.test_client().get("/v1/users/me", headers=headers).status_code == 401
        with pytest.raises(TokenInvalid):
            verifier.verify(stolen)
        assert verifier.verify(issue(app, ada)).user_id == ada.id


def test_retiring_the_key_that_signs_lets_the_pending_one_sign(processes, rotation, ada):
    pending = rotation.rotate()

    assert rotation.retire(1).kid == pending.kid

    assert kid_of(issue(processes[1], ada)) == pending.kid
    assert kids(processes[0]) == [pending.kid]


def test_retiring_the_pending_key_leaves_the_old_one_for_good(processes, rotation, ada, later):
    old, pending = kid_of(issue(processes[0], ada)), rotation.rotate()

    assert rotation.retire(pending.number).kid == old

    later(2 * DAY)
    assert kid_of(issue(processes[1], ada)) == old
    assert kids(processes[0]) == [old]


def test_a_key_that_has_signed_is_retired_alone(processes, rotation, ada, later):
    new = rotation.rotate()
    later(LEAD)

    assert rotation.retire(1).kid == new.kid

    assert kids(processes[0]) == [new.kid]
    for gone in (1, 3):
        with pytest.raises(KeyUnknown):
            rotation.retire(gone)


def test_with_another_secret_nobody_rotates(rotation, config, database):
    kid = rotation.rotate().kid

    with pytest.raises(KeysSealedOtherwise, match=kid):
        Rotation(config, "another secret, long enough " * 2, database).rotate()


def test_a_process_with_another_secret_says_so_once_and_signs_with_what_it_has(
    rotation, make_config, database, ada, at_once, later, capsys
):
    """``make_config`` gives another ``SECRET_KEY`` each time."""
    app = create_app(make_config(), database=database)
    own, new = kid_of(issue(app, ada)), rotation.rotate()
    later(LEAD)

    assert [kid_of(issue(app, ada)) for _ in range(3)] == [own] * 3
    assert kids(app) == [new.kid, own]
    assert app.test_client().get("/readyz").status_code == 200
    assert capsys.readouterr().out.count("signing_key_unreadable") == 1

    later(DAY + LEAD)
    login = {"username": "grace", "password": "correct horse battery staple"}
    refused = app.test_client().post("/v1/auth/signup", json=login)
    assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
    assert app.test_client().get("/readyz").json["checks"]["signing_key"]["ok"] is False


def test_a_damaged_key_is_not_taken_for_another(rotation, database, processes, ada, later):
    own, new = kid_of(issue(processes[0], ada)), rotation.rotate()
    later(LEAD)
    damage = update(SigningKey).where(SigningKey.kid == new.kid).values(private_key=b"\0" * 60)

    database.run(lambda session: session.execute(damage))

    assert kid_of(issue(processes[0], ada)) == own


def test_a_process_knows_of_a_rotation_within_seconds_and_asks_seldom(
    config, database, rotation, ada, monkeypatch
):
    app = create_app(config, database=database)
    reads = []
    original = keyring.queries.signing_keys
    monkeypatch.setattr(
        keyring.queries, "signing_keys", lambda session: reads.append(1) or original(session)
    )
    monkeypatch.setattr(keyring, "READ_SECONDS", 60)
    for _ in range(20):
        issue(app, ada)
    assert len(reads) == 1

    new = rotation.rotate()
    monkeypatch.setattr(keyring, "READ_SECONDS", 1)

    eventually(lambda: kids(app)[0] == new.kid)


def test_who_reads_keys_does_so_every_other_second_and_waits_for_less_than_a_request_may():
    assert keyring.READ_SECONDS <= 2
    assert keyring.PATIENCE_SECONDS < keyring.FIRST_PATIENCE_SECONDS < 3


def test_without_its_database_a_process_shows_the_keys_that_it_knew(
    config, database, rotation, ada, at_once, monkeypatch
):
    app = create_app(config, database=database)
    rotation.rotate()
    known = kids(app)

    def away(_query):
        raise Unavailable

    monkeypatch.setattr(app.extensions["access_tokens"]._keys._database, "read", away)

    assert kids(app) == known
    assert issue(app, ada)


def test_a_new_process_waits_for_a_slow_database_before_it_refuses_anybody(
    config, database, ada, monkeypatch
):
    monkeypatch.setattr(keyring, "FIRST_PATIENCE_SECONDS", 60)
    app = create_app(config, database=database)
    original, slow = keyring.queries.signing_keys, threading.Event()

    def read(session):
        slow.wait(3 * keyring.PATIENCE_SECONDS)
        return original(session)

    monkeypatch.setattr(keyring.queries, "signing_keys", read)

    assert issue(app, ada)
