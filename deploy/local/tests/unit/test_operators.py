# SPDX-License-Identifier: Apache-2.0
"""What ``make up`` writes down for ``soukctl`` is what that command reads."""

import json
import stat

import pytest

from souk_local import operators
from souk_local.environments import Environments
from souk_local.keyring import Keyring
from souk_local.ports import Ports
from soukctl.config import Config


@pytest.fixture
def environments(tmp_path):
    directory = tmp_path / "a directory with blanks"
    directory.mkdir()
    return Environments(directory, Ports(), Keyring.generate(), tmp_path)


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_every_setting_arrives_as_it_was_meant(environments):
    operators.write(environments)

    config = Config.load(env_file=environments.directory / operators.FILE)

    said = operators.settings_of(environments)
    names = [name.lower() for name in said]
    assert dict(zip(said, config.need(*names), strict=True)) == said


def test_only_the_owner_may_read_it(environments):
    operators.write(environments)

    assert stat.S_IMODE((environments.directory / operators.FILE).stat().st_mode) == 0o600


def test_the_broker_lets_the_operator_do_everything_and_no_service(environments):
    environments.rabbitmq.prepare()

    users = json.loads(environments.rabbitmq.definitions.read_text())["permissions"]
    assert [user["user"] for user in users if user["configure"] == ".*"] == ["operator"]
