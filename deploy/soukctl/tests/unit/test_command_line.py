# SPDX-License-Identifier: Apache-2.0
"""Settings, exit codes and clear errors, and that the README tells of every command."""

import re
import traceback
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from soukctl.__main__ import main

README = (Path(__file__).parents[2] / "README.md").read_text()
SECRET = "a secret that nobody may see"
NOBODY = "http://127.0.0.1:1"


def commands(group=main, path=()):
    """Every command that does something, with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_writes_json_for_programs(name):
    assert "--json" in {option for one in COMMANDS[name].params for option in one.opts}


def words_of(command):
    """What may stand behind a command's name, but for what every command has."""
    for one in command.params:
        yield max(one.opts, key=len) if isinstance(one, click.Option) else one.make_metavar(None)


def test_the_readme_has_every_command_with_its_options_and_no_other():
    told = {}
    for cell in re.findall(r"^\| `([a-z][^`]+)` \|", README, re.MULTILINE):
        name = re.match(r"[a-z-]+( [a-z][a-z-]*)?", cell)[0]
        told[name] = set(cell.removeprefix(name).split())

    assert told == {name: {*words_of(one)} - {"--json"} for name, one in COMMANDS.items()}


def test_what_is_not_set_is_named_all_at_once_and_nothing_else_is_needed(soukctl):
    outcome = soukctl("audit")

    assert outcome.exit_code == 2
    assert "GATEWAY_URL, ADMIN_USERNAME, ADMIN_PASSWORD" in outcome.stderr
    assert "AMQP_URL" not in outcome.stderr


def test_settings_that_are_wrong_are_all_named_without_their_values(soukctl, monkeypatch):
    wrong = ("CURRENCY", "GATEWAY_URL", "AMQP_URL", "REDIS_URL", "ORDERS_DATABASE_URL")
    for name in wrong:
        monkeypatch.setenv(name, "dollars")

    outcome = soukctl("audit")

    assert outcome.exit_code == 2
    assert [name for name in wrong if f"{name}: " in outcome.stderr] == list(wrong)
    assert "dollars" not in outcome.stderr


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("AMQP_URL", "amqp://o:half/other@127.0.0.1:1/souk"),
        ("AMQP_URL", "amqp://o:half#other@127.0.0.1:1/souk"),
        ("REDIS_URL", "redis://:half?other@127.0.0.1:1/0"),
        ("ORDERS_DATABASE_URL", "mysql+pymysql://o:half@other@127.0.0.1:1/o"),
        ("ORDERS_DATABASE_URL", "mysql+pymysql://o:half@127.0.0.1:other/o"),
    ],
)
def test_a_password_that_spoils_its_address_is_told_of_and_not_shown(
    soukctl, monkeypatch, name, url
):
    monkeypatch.setenv(name, url)

    outcome = soukctl("doctor")

    assert outcome.exit_code == 2, outcome.output
    assert f"{name}: " in outcome.stderr
    assert "%2F for /" in outcome.stderr
    told = outcome.output + "".join(traceback.format_exception(outcome.exception))
    assert "half" not in told
    assert "other" not in told


def test_a_file_that_is_not_there_is_wrong_usage():
    outcome = CliRunner().invoke(main, ["--env-file", "nowhere.env", "audit"])

    assert outcome.exit_code == 2
    assert "nowhere.env" in outcome.stderr


class TestAShopThatIsNotThere:
    @pytest.fixture
    def settings(self):
        return {"GATEWAY_URL": NOBODY, "ADMIN_USERNAME": "admin", "ADMIN_PASSWORD": SECRET}

    @pytest.mark.parametrize("name", ["audit", "seed", "orders export", "dead-letters list"])
    def test_is_told_in_one_sentence_with_1(self, soukctl, name):
        outcome = soukctl(*name.split())

        assert outcome.exit_code == 1
        assert outcome.stderr.startswith(f"Error: The gateway {NOBODY} does not answer: ")
        assert outcome.stdout == ""
        assert SECRET not in outcome.stderr + "".join(traceback.format_exception(outcome.exception))

    def test_is_seen_by_the_doctor_who_says_what_to_do(self, soukctl):
        outcome = soukctl("doctor")

        assert outcome.exit_code == 1
        assert f"✗ gateway: {NOBODY} does not answer" in outcome.stdout
        assert "To settle it, start nginx, or correct GATEWAY_URL" in outcome.stdout
        assert "? redis: This needs REDIS_URL" in outcome.stdout
        assert SECRET not in outcome.output

    def test_the_environment_goes_before_the_file(self, soukctl, monkeypatch):
        monkeypatch.setenv("GATEWAY_URL", "http://127.0.0.1:2")

        assert "127.0.0.1:2 does not answer" in soukctl("audit").stderr

    def test_a_secret_may_lie_in_a_file_of_its_own(self, soukctl, monkeypatch, tmp_path):
        (tmp_path / "url").write_text("http://127.0.0.1:3\n")
        monkeypatch.setenv("GATEWAY_URL_FILE", str(tmp_path / "url"))

        assert "127.0.0.1:3 does not answer" in soukctl("audit").stderr

    def test_the_local_stack_s_file_is_found_from_the_checkout(self, env_file, tmp_path):
        (tmp_path / ".run").mkdir()
        env_file.rename(tmp_path / ".run" / "operator.env")

        assert NOBODY in CliRunner().invoke(main, ["audit"]).stderr


def test_a_database_that_refuses_is_told_without_its_password(soukctl, monkeypatch):
    monkeypatch.setenv("CATALOG_DATABASE_URL", f"mysql+pymysql://root:{SECRET}@127.0.0.1:1/x")

    outcome = soukctl("db", "check", "catalog")

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr == "Error: The database of catalog does not answer.\n"
