# SPDX-License-Identifier: Apache-2.0
"""How mails are written down: CRLF, and nothing beyond ASCII, which every server passes on."""

from email import policy
from email.headerregistry import HeaderRegistry


class _Headers(HeaderRegistry):
    """Makes a class for each header once, where Python's own makes one for each use of it."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, type] = {}

    def __getitem__(self, name: str) -> type:
        key = name.lower()
        if key not in self._made:
            self._made[key] = super().__getitem__(key)
        return self._made[key]


WIRE = policy.SMTP.clone(cte_type="7bit", header_factory=_Headers())
