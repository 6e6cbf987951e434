# SPDX-License-Identifier: Apache-2.0
"""The events as JSON Schema, for readers that are not written in Python."""

from pathlib import Path
from typing import Any

import orjson

from common.contracts import EVENTS
from common.events import Envelope, Event

HERE = Path(__file__).parent


def file_of(event: type[Event]) -> Path:
    return HERE / f"{event.type()}.v{event.version}.json"


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The whole message: the envelope with *event* as its data."""
    envelope, data = Envelope.model_json_schema(), event.model_json_schema()
    fixed = {
        "specversion": "1.0",
        "source": f"/souk/{event.publisher}",
        "type": event.type(),
        "dataschemaversion": str(event.version),
    }
    properties = envelope["properties"] | {name: {"const": it} for name, it in fixed.items()}
    definitions = data.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event.type(),
        "description": data.pop("description", "").strip(),
        "type": "object",
        "properties": properties | {"data": data},
        "required": sorted({*envelope["required"], "specversion", "data"}),
        "$defs": definitions,
    }


def text_of(event: type[Event]) -> str:
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    return orjson.dumps(schema_of(event), option=options).decode() + "\n"


def write_schemas() -> None:
    """Make the files equal to the classes; a schema whose event is gone goes too."""
    for old in HERE.glob("*.json"):
        old.unlink()
    for event in EVENTS.values():
        file_of(event).write_text(text_of(event))
