# SPDX-License-Identifier: Apache-2.0
"""Whether a deployment gives a process the settings that its code has: no others, and all it needs."""

import runpy
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path

from common.settings import Settings, _names

GATEWAY = Path(__file__).parents[2] / "gateway" / "render.py"


def faults(process: str, given: Iterable[str]) -> list[str]:
    """What is wrong with starting *process* with the variables *given*.

    Args:
        process: A service, ``shipper`` or ``gateway``.
        given: Names only; ``X_FILE`` gives ``X``.
    """
    known, required = _gateway() if process == "gateway" else _settings(process)
    given = set(given)
    return [f"{process} has no setting {name}" for name in sorted(given - set().union(*known))] + [
        f"{process} lacks {min(names, key=len)}" for names in required if not given & names
    ]


@cache
def _settings(process: str) -> tuple[list[set[str]], list[set[str]]]:
    """The names of each setting, and of each that has no default."""
    config: type[Settings] = import_module(f"{process}.config").Config
    names = {
        setting: {form for name in _names(field, setting) for form in (name, f"{name}_FILE")}
        for setting, field in config.model_fields.items()
    }
    needed = [names[key] for key, field in config.model_fields.items() if field.is_required()]
    return list(names.values()), needed


@cache
def _gateway() -> tuple[list[set[str]], list[set[str]]]:
    render = runpy.run_path(str(GATEWAY))
    asked = set(render["PLACEHOLDER"].findall(render["TEMPLATE"].read_text())) - {"USER_LINE"}
    optional = render["DEFAULTS"].keys() | render["LIMITS"].keys() | {"WORKER_USER"}
    return [{name} for name in asked | optional], [{name} for name in asked - optional]
