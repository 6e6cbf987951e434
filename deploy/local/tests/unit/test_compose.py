# SPDX-License-Identifier: Apache-2.0
import json
import stat
from dataclasses import fields

import pytest
from dotenv import dotenv_values

from souk_local.compose.containers import Containers, ContainersFailed, DockerSilent
from souk_local.compose.env_file import PER_OWNER, SINGLE, keyring_of, variables
from souk_local.keyring import Keyring


@pytest.fixture
def containers(tmp_path):
    return Containers(tmp_path / "compose.yaml", tmp_path / ".env", tmp_path / "made")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_every_secret_has_a_name():
    assert {*SINGLE, *PER_OWNER} == {field.name for field in fields(Keyring)}


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path):
    made = keyring_of(tmp_path / ".env")
    assert mode(tmp_path / ".env") == 0o600
    assert keyring_of(tmp_path / ".env") == made
    assert variables(made).items() <= dotenv_values(tmp_path / ".env").items()


def test_what_is_set_by_hand_stays_and_what_is_missing_is_added(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# mine\nGATEWAY_PORT=8181\nREDIS_PASSWORD='a b'")
    assert keyring_of(file).redis == "a b"
    assert file.read_text().startswith("# mine\nGATEWAY_PORT=8181\nREDIS_PASSWORD='a b'\n")
    assert dotenv_values(file)["SERVICE_TOKEN_KEY"]


def test_the_servers_files_are_read_by_the_containers_and_by_nobody_else_here(containers):
    keyring = containers.prepare()
    assert mode(containers.directory) == 0o700
    assert {mode(file) for file in containers.directory.iterdir()} == {0o644}
    assert keyring.database["orders"] in (containers.directory / "mysql-users.sql").read_text()
    broker = json.loads((containers.directory / "rabbitmq-definitions.json").read_text())
    assert [user["name"] for user in broker["users"] if user["tags"]] == ["operator"]


def test_an_engine_that_does_not_answer_is_named(containers, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(DockerSilent, match=r"(?s)docker.*make up"):
        containers.up()
    assert not containers.env_file.exists()


def test_a_machine_without_docker_is_told_of_the_way_without(containers, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerSilent, match="`make up` needs none"):
        containers.down()


def test_containers_that_do_not_go_are_told_of(containers, monkeypatch, tmp_path):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\ncase "$*" in *" down "*) exit 1 ;; esac\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(ContainersFailed, match="not all gone"):
        containers.down()
