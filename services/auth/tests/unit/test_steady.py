# SPDX-License-Identifier: Apache-2.0
import hmac
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from auth.keys import AccessTokens, EnvironmentKeys
from auth.models import User
from auth.steady import PURPOSE, SteadyTokens
from common.problems import TokenExpired, TokenInvalid
from common.tokens import KeySet, ServiceTokens, Verifier

SECRET = "0123456789abcdefghijklmnopqrstuv"
DERIVED = hmac.digest(SECRET.encode(), PURPOSE, "sha256")
ADA = User(id=7, username="ada", role="user", token_epoch=3)


@pytest.fixture
def steady():
    return SteadyTokens(SECRET, issuer="souk", seconds=7 * 24 * 3600)


@pytest.fixture
def access_tokens(private_key):
    keys = EnvironmentKeys(private_key)
    return AccessTokens(keys, issuer="souk", audience="souk", seconds=600)


def forged(steady, *, key=DERIVED, algorithm="HS256", without=None, headers=None, **claims):
    """A token that is good but for what the test names."""
    good = jwt.decode(steady.issue(ADA), options={"verify_signature": False})
    said = {name: value for name, value in (good | claims).items() if name != without}
    return jwt.encode(said, key, algorithm=algorithm, headers=headers)


def test_a_token_says_whose_it_is_and_at_which_epoch(steady):
    said = steady.read(steady.issue(ADA))

    assert (said.user_id, said.epoch) == (7, 3)


def test_a_token_has_what_makes_it_a_refresh_token_and_no_role(steady):
    claims = jwt.decode(steady.issue(ADA), options={"verify_signature": False})

    assert claims.keys() == {"iss", "aud", "sub", "typ", "epoch", "iat", "nbf", "exp", "jti"}
    assert (claims["iss"], claims["aud"], claims["typ"]) == ("souk", "souk/refresh", "refresh")
    assert claims["exp"] - claims["iat"] == 7 * 24 * 3600


def test_no_two_tokens_are_the_same(steady):
    assert steady.issue(ADA) != steady.issue(ADA)


def test_a_week_later_it_has_expired(steady):
    now = int(time.time())

    with pytest.raises(TokenExpired):
        steady.read(forged(steady, iat=now - 100, nbf=now - 100, exp=now - 1))


@pytest.mark.parametrize(
    "fault",
    [
        {"typ": "access"},
        {"typ": None},
        {"aud": "souk"},
        {"aud": ["souk/refresh"]},
        {"aud": "internal"},
        {"iss": "other"},
        {"sub": "0"},
        {"sub": "9" * 30},
        {"sub": "ada"},
        {"epoch": "3"},
        {"epoch": None},
        {"nbf": int(time.time()) + 3600},
        {"key": SECRET},
        {"key": b"another key of thirty-two octets"},
        {"headers": {"crit": ["exp"]}},
        *({"without": name} for name in ("iss", "aud", "sub", "typ", "exp", "iat", "nbf", "jti")),
        {"without": "epoch"},
    ],
    ids="-".join,
)
def test_a_token_that_is_wrong_in_one_thing_is_none(steady, fault):
    assert steady.read(forged(steady)).user_id == 7

    with pytest.raises(TokenInvalid):
        steady.read(forged(steady, **fault))


@pytest.mark.parametrize("text", ["", "a.b.c", "nonsense", "a.b", "..", "ä.ö.ü", "x" * 5000])
def test_what_is_no_token_is_refused(steady, text):
    with pytest.raises(TokenInvalid):
        steady.read(text)


def test_a_token_without_a_signature_is_refused(steady):
    unsigned = jwt.encode(
        jwt.decode(steady.issue(ADA), options={"verify_signature": False}), None, algorithm="none"
    )
    head, claims, _ = steady.issue(ADA).split(".")

    for token in (unsigned, f"{head}.{claims}.", f"{head}.{claims}.AAAA"):
        with pytest.raises(TokenInvalid):
            steady.read(token)


def test_an_access_token_does_not_refresh(steady, access_tokens):
    with pytest.raises(TokenInvalid):
        steady.read(access_tokens.issue(ADA))


def test_no_service_takes_it_for_an_access_token_or_for_a_services(steady, access_tokens):
    verifier = Verifier(KeySet(access_tokens.key_set), issuer="souk", audience="souk")
    kid = access_tokens.key_set()["keys"][0]["kid"]
    token = steady.issue(ADA)

    for attempt in (
        token,
        forged(steady, aud="souk", headers={"kid": kid}),
        forged(steady, aud="souk", typ="access", role="admin", name="ada", headers={"kid": kid}),
    ):
        with pytest.raises(TokenInvalid):
            verifier.verify(attempt)
    with pytest.raises(TokenInvalid):
        ServiceTokens(SECRET, "auth").verify(token)


def test_even_signed_with_auths_own_key_its_claims_are_no_access_tokens(
    steady, access_tokens, private_key
):
    verifier = Verifier(KeySet(access_tokens.key_set), issuer="souk", audience="souk")
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    headers = {"kid": access_tokens.key_set()["keys"][0]["kid"]}

    for claims in ({}, {"aud": "souk"}, {"aud": "souk", "role": "admin", "name": "ada"}):
        with pytest.raises(TokenInvalid):
            verifier.verify(forged(steady, key=key, algorithm="ES256", headers=headers, **claims))
