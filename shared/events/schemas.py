"""The JSON Schemas of every event, for other languages: `docs/schemas/`, written by `python -m shared.events.schemas`.

A schema that was released stays: types only ever gain optional fields, and a test holds today's code against each.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from shared.events.envelope import Event
from shared.events.types import DATA_TYPES
from shared.events.updates import UPDATE_TYPE, Update


def event_schema(event_type: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one event: the envelope, with the data of its type."""
    (envelope, data), components = msgspec.json.schema_components(
        (Event, DATA_TYPES[event_type]), ref_template="#/$defs/{name}"
    )
    fields = components.pop(envelope["$ref"].rsplit("/", 1)[1])
    fields["properties"] |= {"type": {"const": event_type}, "data": data}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type,
        **{name: value for name, value in fields.items() if name != "title"},
        "$defs": components,
    }


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema, for every event type and for the update."""
    events = {f"{event_type}.json": event_schema(event_type) for event_type in DATA_TYPES}
    return {**events, f"{UPDATE_TYPE}.json": msgspec.json.schema(Update)}


def write(folder: Path) -> list[Path]:
    """Write each schema into the folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        path = folder / name
        path.write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
