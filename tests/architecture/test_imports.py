# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the contracts stand in the root ``pyproject.toml`` (``lint-imports``)."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = [contract["name"] for contract in SETTINGS["contracts"]]

SINS = {
    "common/mechanism.py": "import catalog",
    "notifier/operators.py": "import soukctl",
    "soukctl/laptop.py": "import souk_local",
    "orders/checkout.py": "import catalog.models",
    "catalog/relay.py": "import pika",
    "auth/client.py": "import urllib3",
    "catalog/spans.py": "import opentelemetry",
    "shipper/table.py": "import sqlalchemy",
    "notifier/commands.py": "from flask import request",
    "analytics/routes.py": "from sqlalchemy import select",
}
"""For each contract a file that breaks it."""


def lint(directory, path=""):
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nobody_imports_what_is_not_theirs():
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr


def test_every_member_of_the_workspace_is_watched():
    members = {path.parent.name for path in ROOT.glob("*/*/src/*/__init__.py")}
    members |= {path.parent.name for path in ROOT.glob("*/src/*/__init__.py")}

    assert members == set(SETTINGS["root_packages"])


@pytest.fixture(scope="module")
def sinful(tmp_path_factory):
    """The contracts' verdict on packages that break every one of them."""
    home = tmp_path_factory.mktemp("sinful")
    for package in SETTINGS["root_packages"]:
        (home / package).mkdir()
        for room in ("__init__", "commands", "queries", "handlers", "models", "routes", "schemas"):
            (home / package / f"{room}.py").write_text("")
    for room in ("amqp/__init__.py", "http.py", "testing/__init__.py", "testing/servers.py"):
        (home / "common" / room).parent.mkdir(exist_ok=True)
        (home / "common" / room).write_text("")
    for file, sin in SINS.items():
        (home / file).write_text(sin + "\n")
    (home / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    return lint(home, path=home)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_planted_sin_breaks_its_contract(sinful, contract):
    assert f"{contract} BROKEN" in sinful.stdout, sinful.stdout + sinful.stderr


def test_there_is_a_sin_for_every_contract():
    assert len(SINS) == len(CONTRACTS)
