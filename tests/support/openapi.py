# SPDX-License-Identifier: Apache-2.0
"""The API document that the gateway serves, as a judge of its answers."""

from functools import cache
from pathlib import Path

import orjson

from common.testing.answers import Document

SERVED = Path(__file__).parents[2] / "gateway" / "static" / "openapi.json"


@cache
def served_document() -> Document:
    """The merged document as it lies in the repository."""
    return Document(orjson.loads(SERVED.read_bytes()))
