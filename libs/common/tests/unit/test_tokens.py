# SPDX-License-Identifier: Apache-2.0
"""Good tokens pass; a corpus of bad ones does not, and each of them makes a plain refusal."""

import base64
import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from common import tokens
from common.problems import TokenExpired, TokenInvalid, Unavailable
from common.testing.tokens import TokenFactory
from common.tokens import KeySet, ServiceTokens, Verifier

SERVICE_KEY = "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP"
FACTORY = TokenFactory(SERVICE_KEY)
NOW = int(time.time())


def encoded(part):
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def parts_of(token):
    header, claims, signature = token.split(".")
    return json.loads(decoded(header)), json.loads(decoded(claims)), signature


def rewritten(header=None, claims=None, signature=None):
    """A good token with other parts under its old signature."""
    old_header, old_claims, old_signature = parts_of(FACTORY.token())
    return ".".join(
        [
            encoded(old_header | (header or {})),
            encoded(old_claims | (claims or {})),
            old_signature if signature is None else signature,
        ]
    )


def without(*names):
    """A well signed token that lacks some claims."""
    _, claims, _ = parts_of(FACTORY.token())
    kept = {name: value for name, value in claims.items() if name not in names}
    return jwt.encode(kept, FACTORY.private_key, algorithm="ES256", headers={"kid": FACTORY.kid})


def claiming(**claims):
    """A well signed token with claims that no library would write."""
    _, good, _ = parts_of(FACTORY.token())
    payload = json.dumps(good | claims).encode()
    key, header = FACTORY.private_key, {"kid": FACTORY.kid}
    return jwt.PyJWS().encode(payload, key, algorithm="ES256", headers=header)


def by_hmac(key, **header):
    """A token whose forger knows our public key, as everybody does, and calls it a secret."""
    _, claims, _ = parts_of(FACTORY.token(role="admin"))
    head = {"alg": "HS256", "kid": FACTORY.kid, "typ": "JWT"} | header
    signed = f"{encoded(head)}.{encoded(claims)}"
    mac = hmac.digest(key, signed.encode(), hashlib.sha256)
    return f"{signed}.{encoded(mac)}"


def by_other_key(key, algorithm):
    _, claims, _ = parts_of(FACTORY.token(role="admin"))
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": FACTORY.kid})


def headed(header):
    """A well signed token with a header of our making."""
    _, claims, _ = parts_of(FACTORY.token())
    return jwt.encode(claims, FACTORY.private_key, algorithm="ES256", headers=header)


def flipped(part, place):
    pieces = FACTORY.token().split(".")
    raw = bytearray(decoded(pieces[part]))
    raw[place] ^= 1
    pieces[part] = encoded(bytes(raw))
    return ".".join(pieces)


PUBLIC = FACTORY.private_key.public_key()
PEM = PUBLIC.public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
DER = PUBLIC.public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
JWK = json.dumps(FACTORY.key_set()["keys"][0]).encode()
OWN_KEY = ec.generate_private_key(ec.SECP256R1())
OWN_JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(OWN_KEY.public_key()))
DEEP = b'{"alg": "ES256", "kid": ' + b"[" * 5000


def corpus():
    """Bad tokens by what is wrong with them; made anew, because good ones last ten minutes."""
    now = int(time.time())
    return {
        "empty": "",
        "a word": "token",
        "two parts": "a.b",
        "four parts": FACTORY.token() + ".x",
        "only dots": "..",
        "not base64": "!.!.!",
        "not ascii": "ü.ü.ü",
        "a lone surrogate": "\ud800.a.b",
        "a NUL": "\0",
        "very long": "a" * 100_000,
        "a header that is no object": encoded([]) + "." + encoded({}) + ".",
        "a header that is no json": encoded(b"{") + "." + encoded({}) + ".",
        "a header that is deeper than a parser goes": encoded(DEEP) + ".e30.",
        "claims that are deeper than a parser goes": rewritten().split(".")[0]
        + f".{encoded(b'[' * 5000)}.x",
        "alg none": rewritten({"alg": "none"}, {"role": "admin"}, ""),
        "alg None": rewritten({"alg": "None"}, {"role": "admin"}, ""),
        "alg NONE with the old signature": rewritten({"alg": "NONE"}),
        "alg missing": ".".join([encoded({"kid": FACTORY.kid}), *FACTORY.token().split(".")[1:]]),
        "alg null": rewritten({"alg": None}),
        "alg a list": rewritten({"alg": ["ES256"]}),
        "alg es256": rewritten({"alg": "es256"}),
        "the public key's PEM as a secret": by_hmac(PEM),
        "the public key's PEM without its last line break": by_hmac(PEM.strip()),
        "the public key's DER as a secret": by_hmac(DER),
        "the public JWK as a secret": by_hmac(JWK),
        "HMAC that calls itself ES256": by_hmac(PEM, alg="ES256"),
        "an empty secret": by_hmac(b""),
        "a service token": ServiceTokens(SERVICE_KEY, "orders").issue(),
        "somebody else's key": by_other_key(OWN_KEY, "ES256"),
        "somebody else's RSA key": by_other_key(
            rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256"
        ),
        "another curve": by_other_key(ec.generate_private_key(ec.SECP384R1()), "ES384"),
        "a key that it brings along": jwt.encode(
            parts_of(FACTORY.token(role="admin"))[1],
            OWN_KEY,
            algorithm="ES256",
            headers={"kid": FACTORY.kid, "jwk": OWN_JWK, "jku": "https://evil.example/keys"},
        ),
        "no kid": headed({}),
        "kid null": rewritten({"kid": None}),
        "kid unknown": FACTORY.token(headers={"kid": "other"}),
        "kid empty": FACTORY.token(headers={"kid": ""}),
        "kid a path": FACTORY.token(headers={"kid": "../../../../dev/null"}),
        "kid an injection": FACTORY.token(headers={"kid": "' OR 1=1 --"}),
        "kid a number": rewritten({"kid": 1}),
        "kid a list": rewritten({"kid": [FACTORY.kid]}),
        "crit": FACTORY.token(headers={"crit": ["exp"]}),
        "crit empty": rewritten({"crit": []}),
        "another issuer": claiming(iss="souk-evil"),
        "the issuer in a list": claiming(iss=["souk"]),
        "another audience": claiming(aud="internal"),
        "a list of audiences": claiming(aud=["souk", "internal"]),
        "a list of one audience": claiming(aud=["souk"]),
        "a refresh token": claiming(typ="refresh"),
        "typ of another case": claiming(typ="Access"),
        "a role that nobody has": claiming(role="root"),
        "a role that is a list": claiming(role=["admin"]),
        "a role that is an object": claiming(role={"admin": True}),
        "valid from tomorrow": claiming(nbf=now + 86_400),
        "issued tomorrow": claiming(iat=now + 86_400),
        "exp a float": claiming(exp=now + 600.5),
        "exp a string": claiming(exp=str(now + 600)),
        "exp a list": claiming(exp=[now + 600]),
        "exp null": claiming(exp=None),
        "exp infinite": claiming(exp=float("inf")),
        "nbf a word": claiming(nbf="now"),
        "sub a name": claiming(sub="ada"),
        "sub empty": claiming(sub=""),
        "sub zero": claiming(sub="0"),
        "sub negative": claiming(sub="-7"),
        "sub with a blank": claiming(sub=" 7"),
        "sub with an underscore": claiming(sub="7_0"),
        "sub in other digits": claiming(sub="٧"),
        "sub beyond any id": claiming(sub="9" * 20),
        "a name that is a number": claiming(name=7),
        "an empty name": claiming(name=""),
        "nbf a fraction": claiming(nbf=now - 0.5),
        "iat a text": claiming(iat=str(now)),
        "epoch a digit in a text": claiming(epoch="1"),
        "epoch a fraction": claiming(epoch=1.5),
        "epoch negative": claiming(epoch=-1),
        "epoch true": claiming(epoch=True),
        "a padded signature": FACTORY.token() + "==",
        "epoch a word": claiming(epoch="now"),
        "epoch null": claiming(epoch=None),
        **{
            f"without {name}": without(name)
            for name in (
                *("iss", "aud", "sub", "role", "name", "typ"),
                *("epoch", "iat", "nbf", "exp", "jti"),
            )
        },
        **{
            f"a flipped bit of the header at {place}": flipped(0, place) for place in (0, 8, 20, -1)
        },
        **{
            f"a flipped bit of the claims at {place}": flipped(1, place)
            for place in (0, 20, 60, -1)
        },
        **{
            f"a flipped bit of the signature at {place}": flipped(2, place)
            for place in (0, 31, 32, 63)
        },
        "a role that was rewritten": rewritten(claims={"role": "admin", "jti": "x"}),
        "no signature": FACTORY.token().rpartition(".")[0] + ".",
        "half a signature": FACTORY.token()[:-40],
        "a signature of zeros": rewritten(signature=encoded(bytes(64))),
    }


NAMES = list(corpus())


@pytest.fixture(scope="module")
def bad():
    return corpus()


@pytest.fixture
def verifier():
    return Verifier(KeySet(FACTORY.key_set), issuer="souk", audience="souk")


def test_the_corpus_is_large_enough_to_mean_something():
    assert len(NAMES) >= 80


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_token_is_refused(verifier, bad, name):
    with pytest.raises(TokenInvalid):
        verifier.verify(bad[name])


def test_a_good_token_tells_who_it_is(verifier):
    expiry = int(time.time()) + 600
    token = FACTORY.token(user_id=7, username="grace", role="analyst", epoch=3, exp=expiry)

    identity = verifier.verify(token)

    assert (identity.user_id, identity.username, identity.role) == (7, "grace", "analyst")
    assert (identity.epoch, identity.expires_at, identity.guest) == (3, expiry, False)
    assert (identity.actor, identity.is_admin) == ("user/7", False)


def test_a_guest_says_so_and_an_admin_is_one(verifier):
    assert verifier.verify(FACTORY.token(guest=True)).guest
    assert verifier.verify(FACTORY.token(role="admin")).is_admin


def test_an_expired_token_says_that_it_was_good_once(verifier):
    with pytest.raises(TokenExpired):
        verifier.verify(FACTORY.token(iat=NOW - 900, nbf=NOW - 900, exp=NOW - 1))


def test_an_expired_forgery_was_never_good(verifier):
    forged = by_other_key(OWN_KEY, "ES256").split(".")
    expired = encoded(json.loads(decoded(forged[1])) | {"exp": NOW - 1})

    with pytest.raises(TokenInvalid):
        verifier.verify(".".join([forged[0], expired, forged[2]]))


def test_a_remembered_token_still_expires(verifier, monkeypatch):
    expiry = int(time.time()) + 600
    token = FACTORY.token(exp=expiry)
    verifier.verify(token)

    monkeypatch.setattr(tokens.time, "time", lambda: expiry)

    with pytest.raises(TokenExpired):
        verifier.verify(token)


def test_a_token_is_checked_once_and_then_remembered(monkeypatch):
    checks = []
    verifier = Verifier(KeySet(FACTORY.key_set), issuer="souk", audience="souk")
    check = verifier._check
    monkeypatch.setattr(verifier, "_check", lambda token: checks.append(token) or check(token))
    token = FACTORY.token()

    assert verifier.verify(token) == verifier.verify(token)

    assert checks == [token]


def test_memory_of_tokens_is_bounded(verifier, monkeypatch):
    monkeypatch.setattr(tokens, "REMEMBERED_TOKENS", 3)
    for user_id in range(1, 8):
        verifier.verify(FACTORY.token(user_id=user_id))

    assert len(verifier._seen) == 3


def test_a_refused_token_is_not_remembered(verifier, bad):
    with pytest.raises(TokenInvalid):
        verifier.verify(bad["another issuer"])

    assert not verifier._seen


class Auth:
    """Auth's key set, which may be away."""

    def __init__(self):
        self.asked = 0
        self.document = FACTORY.key_set()

    def fetch(self):
        self.asked += 1
        if self.document is None:
            raise Unavailable
        return self.document


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

        time = staticmethod(time.time)

    made = Clock()
    monkeypatch.setattr(tokens, "time", made)
    return made


def test_keys_are_asked_for_once_a_minute(clock):
    auth = Auth()
    keys = KeySet(auth.fetch)
    for _ in range(10):
        keys.key(FACTORY.kid)
    assert auth.asked == 1

    clock.now += tokens.KEYS_FRESH_SECONDS + 1
    keys.key(FACTORY.kid)

    assert auth.asked == 2


def test_keys_are_kept_while_auth_is_away(clock):
    auth = Auth()
    keys = KeySet(auth.fetch)
    keys.key(FACTORY.kid)
    auth.document = None

    clock.now += 3600

    assert keys.key(FACTORY.kid).key_id == FACTORY.kid


@pytest.mark.parametrize("document", [None, {}, {"keys": []}, {"keys": [{"kty": "?"}]}])
def test_nobody_is_let_in_or_called_a_forger_while_no_keys_are_known(clock, document):
    auth = Auth()
    auth.document = document

    with pytest.raises(Unavailable):
        Verifier(KeySet(auth.fetch), issuer="souk", audience="souk").verify(FACTORY.token())


def test_invented_key_ids_do_not_become_a_flood_of_questions(clock):
    auth = Auth()
    keys = KeySet(auth.fetch)
    keys.key(FACTORY.kid)
    clock.now += tokens.KEYS_ASK_AGAIN_SECONDS

    for number in range(50):
        with pytest.raises(TokenInvalid):
            keys.key(f"invented-{number}")

    assert auth.asked == 2


def test_a_new_key_is_found_without_a_restart(clock):
    auth = Auth()
    keys = KeySet(auth.fetch)
    keys.key(FACTORY.kid)
    auth.document = {"keys": [auth.document["keys"][0] | {"kid": "next"}]}
    clock.now += tokens.KEYS_ASK_AGAIN_SECONDS

    assert keys.key("next").key_id == "next"


def test_a_key_that_auth_has_dropped_is_good_no_longer(clock):
    auth = Auth()
    keys = KeySet(auth.fetch)
    keys.key(FACTORY.kid)
    auth.document = {"keys": [auth.document["keys"][0] | {"kid": "next"}]}
    clock.now += tokens.KEYS_FRESH_SECONDS + 1

    with pytest.raises(TokenInvalid):
        keys.key(FACTORY.kid)


def test_a_token_is_remembered_no_longer_than_its_key_is_good(clock):
    auth = Auth()
    verifier = Verifier(KeySet(auth.fetch), issuer="souk", audience="souk")
    token = FACTORY.token()
    assert verifier.verify(token).user_id == 1
    auth.document = {"keys": [auth.document["keys"][0] | {"kid": "next"}]}
    assert verifier.verify(token).user_id == 1, "for a minute nobody asks"

    clock.now += tokens.KEYS_FRESH_SECONDS + 1

    with pytest.raises(TokenInvalid):
        verifier.verify(token)


def test_who_has_a_key_does_not_wait_while_another_looks_for_news_of_it(clock):
    auth, asked, answered = Auth(), threading.Event(), threading.Event()

    def fetch():
        if auth.asked:
            asked.set()
            assert answered.wait(10)
        return auth.fetch()

    keys = KeySet(fetch)
    keys.key(FACTORY.kid)
    clock.now += tokens.KEYS_FRESH_SECONDS + 1
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(keys.key, FACTORY.kid)
        assert asked.wait(10)
        assert keys.key(FACTORY.kid).key_id == FACTORY.kid
        assert not looking.done()
        answered.set()
    assert auth.asked == 2


def test_one_service_knows_another():
    token = ServiceTokens(SERVICE_KEY, "orders").issue()

    assert ServiceTokens(SERVICE_KEY, "catalog").verify(token) == "orders"


def service_token(key=SERVICE_KEY, algorithm="HS256", **claims):
    good = {
        "iss": "orders",
        "aud": "internal",
        "sub": "service/orders",
        "iat": NOW,
        "exp": NOW + 86_400,  # long, so that nothing but its fault makes it a bad one
    }
    kept = {name: value for name, value in (good | claims).items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm)


@pytest.mark.parametrize(
    "forged",
    [
        FACTORY.token(role="admin"),
        service_token(key=SERVICE_KEY[::-1]),
        service_token(aud="souk"),
        service_token(aud=["internal"]),
        service_token(algorithm="HS384"),
        *(service_token(**{name: None}) for name in ("iss", "aud", "sub", "iat", "exp")),
        service_token(iat=NOW + 40_000),
        jwt.encode({"iss": "orders", "aud": "internal"}, "", algorithm="none"),
        corpus()["a header that is deeper than a parser goes"],
        "\ud800",
        "",
        "a.b.c",
    ],
)
def test_a_forged_service_token_is_refused(forged):
    with pytest.raises(TokenInvalid):
        ServiceTokens(SERVICE_KEY, "catalog").verify(forged)


def test_an_old_service_token_is_refused():
    with pytest.raises(TokenExpired):
        ServiceTokens(SERVICE_KEY, "catalog").verify(service_token(iat=NOW - 90, exp=NOW - 30))


def test_a_service_token_that_was_accepted_is_refused_when_its_time_is_over(monkeypatch):
    catalog = ServiceTokens(SERVICE_KEY, "catalog")
    token = ServiceTokens(SERVICE_KEY, "orders").issue()
    assert [catalog.verify(token), catalog.verify(token)] == ["orders", "orders"]

    later = time.time() + tokens.SERVICE_TOKEN_SECONDS
    monkeypatch.setattr(tokens.time, "time", lambda: later)

    with pytest.raises(TokenExpired):
        catalog.verify(token)


def test_a_service_token_is_used_for_half_its_life(monkeypatch):
    ours = ServiceTokens(SERVICE_KEY, "orders")
    first = ours.issue()
    assert ours.issue() == first

    later = time.time() + 40
    monkeypatch.setattr(tokens.time, "time", lambda: later)

    assert ours.issue() != first
