# SPDX-License-Identifier: Apache-2.0
import json
import stat
from dataclasses import asdict

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from souk_local.keyring import SERVICES, Keyring


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secrets_are_made_once(tmp_path):
    first = Keyring.of(tmp_path)
    assert Keyring.of(tmp_path) == first


def test_two_stacks_share_no_secret(tmp_path):
    assert not set(map(str, asdict(Keyring.generate()).values())) & set(
        map(str, asdict(Keyring.generate()).values())
    )


def test_only_the_owner_reads_the_files(tmp_path):
    Keyring.of(tmp_path)
    assert mode(tmp_path / "secrets.json") == 0o600
    assert mode(Keyring.private_key_file(tmp_path)) == 0o600


def test_a_file_of_an_older_version_keeps_its_secrets_and_gets_the_new_ones(tmp_path):
    known = asdict(Keyring.of(tmp_path))
    older = {name: value for name, value in known.items() if name != "view_log"}
    (tmp_path / "secrets.json").write_text(json.dumps(older))

    renewed = asdict(Keyring.of(tmp_path))

    assert len(renewed["view_log"]) == 64
    assert {name: renewed[name] for name in older} == older
    assert Keyring.of(tmp_path).view_log == renewed["view_log"]


def test_tokens_are_signed_with_a_key_on_p256(tmp_path):
    Keyring.of(tmp_path)
    key = load_pem_private_key(Keyring.private_key_file(tmp_path).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"


@pytest.mark.parametrize("name", ["database", "signing"])
def test_every_service_has_a_secret_of_its_own(name):
    secrets = getattr(Keyring.generate(), name)
    assert set(secrets) == set(SERVICES)
    assert len(set(secrets.values())) == len(SERVICES)


def test_a_keyring_shows_no_secret():
    keyring = Keyring.generate()
    assert repr(keyring) == "Keyring()"
