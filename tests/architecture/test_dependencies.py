# SPDX-License-Identifier: Apache-2.0
"""What a member declares is what it imports: its image is built from nothing else."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("libs/*", "services/*", "gateway/shipper", "deploy/local", "deploy/soukctl")
    for path in ROOT.glob(pattern)
    if (path / "pyproject.toml").is_file()
)
FIRST_PARTY = {
    module: f"souk-{module}"
    for module in ("common", "auth", "catalog", "orders", "notifier", "analytics", "shipper")
} | {"souk_local": "souk-local", "soukctl": "souk-ctl"}

NOT_IMPORTED = {
    "gunicorn": "started as a program",
    "pymysql": "named in the database's URL",
    "cryptography": "PyJWT signs and MySQL logs in with it",
    "souk-orders": "soukctl asks for every service's models by the service's name",
}
"""Needed without an import, with the reason."""

COME_ALONG = {"werkzeug": "flask", "botocore": "boto3"}
"""Imported parts of something declared: of the same people, in step with it."""

EXTRAS = {"opentelemetry"}
"""Imported where a setting asks for it: the packages of an extra share this name."""

ONLY_FOR_TESTS = {"jsonschema", "pytest", "referencing", "testcontainers", "souk-local"}
"""Imported by common.testing, which no image has a use for."""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(member):
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    return {normal(re.split(r"[\s<>=!~\[;]", text)[0]) for text in project["dependencies"]}


def imported(sources):
    """Distributions whose modules these sources import at their top or inside."""
    owners, found = packages_distributions(), set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            else:
                continue
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names | EXTRAS:
                    owner = owners.get(top, [top])[0]
                    found.add(FIRST_PARTY.get(top) or normal(owner))
    return found


def faults_of(wanted, used, *, from_others=frozenset()):
    undeclared = sorted(used - wanted - from_others)
    unused = sorted(wanted - used - NOT_IMPORTED.keys())
    return [f"{name} is imported but not declared" for name in undeclared] + [
        f"{name} is declared but nobody imports it" for name in unused
    ]


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_declares_what_it_imports_and_nothing_else(member):
    folder = ROOT / member
    own = FIRST_PARTY[next((folder / "src").iterdir()).name]
    sources = [path.read_text() for path in folder.glob("src/**/*.py")]
    found = {name for name in imported(sources) if not name.startswith("types-")}
    used = {COME_ALONG.get(name, name) for name in found} - {own} - ONLY_FOR_TESTS
    through_common = declared("libs/common") if "souk-common" in declared(member) else set()

    assert faults_of(declared(member), used, from_others=through_common) == []


def test_every_member_was_found():
    assert len(MEMBERS) >= 8


def test_planted_faults_are_found():
    used = imported(["import flask", "def later():\n    from jwt import encode"])

    assert used == {"flask", "pyjwt"}
    assert faults_of({"flask", "redis"}, used) == [
        "pyjwt is imported but not declared",
        "redis is declared but nobody imports it",
    ]


def test_no_worker_carries_an_http_library():
    """A third of a worker's memory would be Flask; it answers probes with the standard library."""
    program = """
import importlib, sys
for service in sys.argv[1:]:
    importlib.import_module(f"{service}.worker")
    print(service, *sorted({name.split(".")[0] for name in sys.modules}))
"""
    services = [member.partition("/")[2] for member in MEMBERS if member.startswith("services/")]
    output = subprocess.run(
        [sys.executable, "-c", program, *services], capture_output=True, text=True, check=True
    ).stdout

    for line in output.splitlines():
        service, *loaded = line.split()
        assert "sqlalchemy" in loaded
        assert not {"flask", "apiflask", "alembic", "gunicorn", "redis"} & set(loaded), service
    assert len(output.splitlines()) == len(services) >= 5


def test_a_program_carries_no_role_before_it_is_told_which():
    """What becomes gunicorn would load it for nothing, in each service at each start."""
    program = """
import importlib, sys
for service in sys.argv[1:]:
    importlib.import_module(f"{service}.__main__")
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""
    services = [member.partition("/")[2] for member in MEMBERS if member.startswith("services/")]
    output = subprocess.run(
        [sys.executable, "-c", program, *services], capture_output=True, text=True, check=True
    ).stdout

    assert len(services) >= 5
    assert "click" in output.split()
    assert not {"pydantic", "sqlalchemy", "pika", "redis", "flask", "alembic"} & set(output.split())


def test_a_start_of_the_local_stack_does_not_begin_with_imports():
    """The broker takes longest and waits for this; what later steps need is imported there."""
    program = "import souk_local.__main__, sys; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert "souk_local.stack" in output.split()
    assert not {"alembic", "sqlalchemy", "pydantic", "pika", "redis"} & set(output.split())
