# SPDX-License-Identifier: Apache-2.0
"""``soukctl`` as an operator runs it: its settings from a file, nothing from this environment."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from soukctl.__main__ import main
from soukctl.config import Config

Soukctl = Callable[..., Result]


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("SOUKCTL_ENV_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings() -> dict[str, str]:
    """What the operator's file says."""
    return {}


@pytest.fixture
def env_file(tmp_path: Path, settings: Mapping[str, str]) -> Path:
    path = tmp_path / "operator.env"
    path.write_text("".join(f"{name}={shlex.quote(said)}\n" for name, said in settings.items()))
    return path


@pytest.fixture
def soukctl(env_file: Path) -> Soukctl:
    """Runs a command: ``soukctl("db", "check", "--json")``."""

    def run(*arguments: str, **options: object) -> Result:
        return CliRunner().invoke(main, ["--env-file", str(env_file), *arguments], **options)

    return run
