# SPDX-License-Identifier: Apache-2.0
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from auth.keys import AccessTokens, EnvironmentKeys, public_jwk, read_private_key, read_public_keys
from auth.models import User
from common.tokens import KeySet, Verifier

ADA = User(id=7, username="ada", role="analyst", token_epoch=3)


def pem_of(key, password=None):
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def public_pem_of(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def tokens_of(key, previous_public_keys=""):
    keys = EnvironmentKeys(pem_of(key), previous_public_keys)
    return AccessTokens(keys, issuer="souk", audience="souk", seconds=600)


def verifier_of(tokens):
    return Verifier(KeySet(tokens.key_set), issuer="souk", audience="souk")


def test_the_id_of_a_key_is_its_rfc_7638_thumbprint():
    # The example key of RFC 7517, appendix A.1; its thumbprint by an independent implementation
    # is the SHA-256 of exactly this text.
    numbers = ec.EllipticCurvePublicNumbers(
        x=int.from_bytes(jwt.utils.base64url_decode("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4")),
        y=int.from_bytes(jwt.utils.base64url_decode("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM")),
        curve=ec.SECP256R1(),
    )

    assert public_jwk(numbers.public_key()) == {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "kid": "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
        "use": "sig",
        "alg": "ES256",
    }


def test_coordinates_keep_their_leading_zeros():
    key = next(
        key
        for key in (ec.generate_private_key(ec.SECP256R1()) for _ in range(10_000))
        if key.public_key().public_numbers().x < 2**248
    )

    assert len(public_jwk(key.public_key())["x"]) == 43


def test_a_token_says_who_its_user_is_and_verifies_everywhere():
    tokens = tokens_of(ec.generate_private_key(ec.SECP256R1()))

    identity = verifier_of(tokens).verify(tokens.issue(ADA))

    assert (identity.user_id, identity.username, identity.role) == (7, "ada", "analyst")
    assert identity.epoch == 3
    assert 590 < identity.expires_at - time.time() <= 600


def test_a_token_has_the_claims_and_the_header_that_the_gateway_reads():
    tokens = tokens_of(ec.generate_private_key(ec.SECP256R1()))
    token = tokens.issue(ADA)

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims.keys() == {
        *("iss", "aud", "sub", "role", "name", "typ", "epoch", "iat", "nbf", "exp", "jti")
    }
    assert (claims["iss"], claims["aud"], claims["sub"], claims["typ"]) == (
        *("souk", "souk", "7", "access"),
    )
    assert jwt.get_unverified_header(token) == {
        "alg": "ES256",
        "typ": "JWT",
        "kid": tokens.key_set()["keys"][0]["kid"],
    }


def test_a_guests_token_says_so_and_lives_for_a_day():
    tokens = tokens_of(ec.generate_private_key(ec.SECP256R1()))
    guest = User(id=8, username="customer1", role="user", token_epoch=1, guest=True)

    identity = verifier_of(tokens).verify(tokens.issue(guest))

    assert identity.guest
    assert 86_390 < identity.expires_at - time.time() <= 86_400
    assert not verifier_of(tokens).verify(tokens.issue(ADA)).guest


def test_no_two_tokens_are_the_same():
    tokens = tokens_of(ec.generate_private_key(ec.SECP256R1()))

    assert tokens.issue(ADA) != tokens.issue(ADA)


def test_tokens_of_the_key_before_stay_good():
    old, older, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    tokens = tokens_of(new, previous_public_keys=public_pem_of(old) + "\n" + public_pem_of(older))

    verifier = verifier_of(tokens)

    assert len(tokens.key_set()["keys"]) == 3
    for key in (old, older, new):
        assert verifier.verify(tokens_of(key).issue(ADA)).user_id == 7


def test_the_key_set_has_nothing_private():
    tokens = tokens_of(ec.generate_private_key(ec.SECP256R1()))

    for key in tokens.key_set()["keys"]:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "not a key",
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ec.generate_private_key(ec.SECP256K1())),
        pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        pem_of(ec.generate_private_key(ec.SECP256R1()), password=b"secret"),
        public_pem_of(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["empty", "text", "P-384", "secp256k1", "RSA", "encrypted", "public"],
)
def test_only_a_private_key_on_p256_may_sign(pem):
    with pytest.raises(ValueError, match="must be"):
        read_private_key(pem)


@pytest.mark.parametrize(
    "pems",
    [
        "not a key",
        public_pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ],
    ids=["text", "P-384", "private", "broken"],
)
def test_previous_keys_are_public_keys_on_p256_and_nothing_else(pems):
    with pytest.raises(ValueError, match="must be"):
        read_public_keys(pems)


def test_no_previous_keys_are_no_fault():
    assert read_public_keys("\n") == []
