"""Types of values in workflows: durations, event types, conditions."""

from typing import Annotated, Any, Final

from pydantic import PlainValidator, StringConstraints, WithJsonSchema

from shared.durations import Duration, parse_duration
from shared.events.types import DATA_TYPES


def _duration(value: Any) -> Duration:
    if not isinstance(value, str):
        raise ValueError("must be a duration such as 60m, 2h or 30d")  # noqa: TRY004 - pydantic wants ValueError
    return parse_duration(value)


def _event_type(value: str) -> str:
    if value not in DATA_TYPES:
        raise ValueError(f"unknown event type; known are {', '.join(sorted(DATA_TYPES))}")
    return value


_DURATION: Final = {"type": "string", "pattern": r"^(\d+[smhdw])+$", "examples": ["60m", "1h30m", "30d"]}
Length = Annotated[Duration, PlainValidator(_duration), WithJsonSchema(_DURATION)]
EventType = Annotated[str, PlainValidator(_event_type), WithJsonSchema({"type": "string", "enum": sorted(DATA_TYPES)})]
Expression = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
