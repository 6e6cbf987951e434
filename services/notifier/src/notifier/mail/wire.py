# SPDX-License-Identifier: Apache-2.0
"""How mails are written down: CRLF, and nothing beyond ASCII, which every server passes on.

Most headers of a mail are in every mail. Python's library reads and folds each of them anew, which
was half of what it took to compose a mail (docs/decisions/0030).
"""

from email.headerregistry import HeaderRegistry
from email.policy import EmailPolicy
from functools import lru_cache

MOST_KEPT = 256


class _Headers(HeaderRegistry):
    """Headers that are read once."""

    __getitem__ = lru_cache(MOST_KEPT)(HeaderRegistry.__getitem__)
    __call__ = lru_cache(MOST_KEPT)(HeaderRegistry.__call__)


class _Wire(EmailPolicy):
    """Headers that are folded once: they are texts, and those that read alike look alike."""

    def fold_binary(self, name: str, value: str) -> bytes:
        return _folded(name, value)


WIRE = _Wire(linesep="\r\n", cte_type="7bit", header_factory=_Headers())


@lru_cache(MOST_KEPT)
def _folded(name: str, value: str) -> bytes:
    return EmailPolicy.fold_binary(WIRE, name, value)
