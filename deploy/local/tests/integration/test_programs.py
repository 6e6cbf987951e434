# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from souk_local import packages
from souk_local.__main__ import REPOSITORY
from souk_local.environments import Environments
from souk_local.keyring import SERVICES, Keyring
from souk_local.ports import Ports
from souk_local.programs import programs_of


@pytest.fixture(scope="module")
def environments():
    packages.ensure_installed()
    return Environments(Path("/srv/.run"), Ports(), Keyring.generate(), REPOSITORY / "gateway")


def test_every_service_has_a_web_and_a_worker_program(environments):
    names = [program.name for program in programs_of(environments)]
    assert len(names) == len(set(names)) == 16
    assert {f"{s}-{role}" for s in SERVICES for role in ("web", "worker")} < set(names)


def test_no_secret_stands_in_a_command_line(environments):
    keyring = environments.keyring
    secrets = [keyring.database_root, keyring.redis, keyring.view_log, keyring.service_token]
    secrets += [*keyring.database.values(), *keyring.broker.values(), *keyring.signing.values()]
    said = " ".join(part for program in programs_of(environments) for part in program.command)
    assert not [secret for secret in secrets if secret in said]
