# SPDX-License-Identifier: Apache-2.0
"""The files that are made from the code, and whether they still say what the code says."""

from pathlib import Path

import orjson

from souk_apidocs import markdown, postman
from souk_apidocs.document import build

ROOT = Path(__file__).parents[3]

DOCUMENT = "gateway/static/openapi.json"
PAGE = "docs/api_endpoints.md"
COLLECTION = "docs/souk.postman_collection.json"

_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def made() -> dict[str, bytes]:
    """The content of every file, by its path in the repository."""
    document = build()
    return {
        DOCUMENT: orjson.dumps(document, option=_PRETTY),
        PAGE: markdown.render(document).encode(),
        COLLECTION: orjson.dumps(postman.render(document), option=_PRETTY),
    }


def stale() -> list[str]:
    """The files that are missing or say something else than the code."""
    return [
        name
        for name, content in made().items()
        if not (ROOT / name).is_file() or (ROOT / name).read_bytes() != content
    ]
