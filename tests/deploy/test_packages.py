# SPDX-License-Identifier: Apache-2.0
"""Each program installed alone, from its own lock and our wheels, as its image does it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
PROGRAMS = [*SERVICES, "shipper", "soukctl"]
PACKAGES = [
    *(ROOT / "libs/common", ROOT / "gateway/shipper", ROOT / "deploy/soukctl"),
    *(ROOT / "services" / service for service in SERVICES),
]
NAME_MIGRATIONS = """\
import sys
from common.roles import migrations_of
print(*sorted(step.name for step in migrations_of(sys.argv[1]).glob("[0-9]*.py")))
"""


def run(*command, cwd):
    done = subprocess.run(
        [*map(str, command)], check=False, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for package in PACKAGES:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=package)
    return folder


def test_no_wheel_holds_tests(wheels):
    held = [name for wheel in wheels.iterdir() for name in zipfile.ZipFile(wheel).namelist()]
    assert any(name.startswith("orders/migrations/") for name in held)
    assert not [name for name in held if "test" in name]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The libraries of a lock; programs with equal locks find the same, and leave it as it was."""
    made = {}

    def of(program):
        lock = ROOT / "requirements" / f"{program}.lock"
        if (text := lock.read_text()) not in made:
            made[text] = tmp_path_factory.mktemp(program)
            run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, made[text], cwd=ROOT)
            pip("install", made[text], "--no-deps", "--require-hashes", "-r", lock)
        return made[text]

    return of


def pip(command, environment, *arguments):
    python = environment / "bin" / "python"
    return run(UV, "pip", command, "--quiet", "--python", python, *arguments, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_from_its_own_lock_alone(program, wheels, libraries, tmp_path):
    ours = f"souk-{program.removeprefix('souk')}"
    environment = libraries(program)
    python = environment / "bin" / "python"
    try:
        # Without an index, what the lock lacks is found nowhere.
        pip("install", environment, "--no-index", "--find-links", wheels, ours)
        run(python, "-I", "-m", program, "--help", cwd=tmp_path)
        if program in SERVICES:
            written = (ROOT / "services" / program / "migrations").glob("[0-9]*.py")
            found = run(python, "-I", "-c", NAME_MIGRATIONS, program, cwd=tmp_path)
            assert found.split() == sorted(step.name for step in written)
    finally:
        pip("uninstall", environment, *(wheel.name.split("-")[0] for wheel in wheels.glob("*.whl")))
