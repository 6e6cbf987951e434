# SPDX-License-Identifier: Apache-2.0
"""``soukctl keys``, on auth's real schema."""

import json

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from soukctl.__main__ import main


def private_key():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def database(database_of, clean):
    found = database_of("auth")
    clean(found)
    return found


@pytest.fixture
def settings(database, tmp_path):
    """An operator's file, as ``make up`` writes it."""
    url = database.engine.url.render_as_string(hide_password=False)
    secret = "0123456789abcdefghijklmnopqrstuvwxyz"
    values = {"AUTH_DATABASE_URL": url, "AUTH_SECRET_KEY": secret, "JWT_PRIVATE_KEY": private_key()}
    path = tmp_path / "operator.env"
    path.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
    return path


@pytest.fixture
def soukctl(settings):
    def run(*arguments, code=0):
        outcome = CliRunner().invoke(main, ["--env-file", str(settings), "keys", *arguments])
        assert outcome.exit_code == code, outcome.output
        return outcome.output

    return run


def states(soukctl):
    return [key["state"] for key in json.loads(soukctl("list", "--json"))["keys"]]


def test_a_key_is_made_listed_and_retired(soukctl):
    assert "there was no rotation yet" in soukctl("list")

    made = json.loads(soukctl("rotate", "--json"))

    assert states(soukctl) == ["signs", "shown, will sign"]
    assert made["number"] == 2
    assert "shown, will sign" in soukctl("list")
    assert json.loads(soukctl("retire", "2", "--yes", "--json"))["signing"] == 1
    assert states(soukctl) == ["signs", "retired"]
    assert "key 3 signs" in soukctl("retire", "1", "--yes")
    assert states(soukctl) == ["retired", "retired", "signs"]


def test_refusals_are_one_sentence(soukctl):
    soukctl("rotate")

    for arguments, said in (
        (["rotate"], "The last rotation is not over"),
        (["retire", "9", "--yes"], "No key of this number is in use"),
    ):
        output = soukctl(*arguments, code=1)
        assert said in output
        assert "Traceback" not in output


def test_a_leaked_key_is_retired_only_when_somebody_says_yes(soukctl):
    soukctl("rotate")

    soukctl("retire", "1", code=1)

    assert states(soukctl) == ["signs", "shown, will sign"]


def test_missing_settings_are_named_and_nothing_secret_is_shown(soukctl, settings):
    lines = settings.read_text().splitlines(keepends=True)
    settings.write_text("".join(line for line in lines if "SECRET" not in line))

    output = soukctl("rotate", code=2)

    assert "AUTH_SECRET_KEY" in output
    assert "PRIVATE KEY-----" not in output
