# SPDX-License-Identifier: Apache-2.0
"""Whether a deployment gives a process the settings of its code: no others, and all it needs."""

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
    given = set(given)
    settings, required = _gateway() if process == "gateway" else _of(process)
    known = {name for names in settings.values() for name in names}
    return [f"{process} has no setting {name}" for name in sorted(given - known)] + [
        f"{process} lacks {name}" for name in sorted(required) if not given & settings[name]
    ]


@cache
def _of(process: str) -> tuple[dict[str, set[str]], set[str]]:
    """Each setting with every name that it goes by, and which have no default."""
    config: type[Settings] = import_module(f"{process}.config").Config
    settings = {
        key.upper(): {form for name in _names(field, key) for form in (name, f"{name}_FILE")}
        for key, field in config.model_fields.items()
    }
    return settings, {key.upper() for key, f in config.model_fields.items() if f.is_required()}


@cache
def _gateway() -> tuple[dict[str, set[str]], set[str]]:
    render = runpy.run_path(str(GATEWAY))
    asked = set(render["PLACEHOLDER"].findall(render["TEMPLATE"].read_text())) - {"USER_LINE"}
    optional = render["DEFAULTS"].keys() | render["LIMITS"].keys() | {"WORKER_USER"}
    return {name: {name} for name in asked | optional}, asked - optional
