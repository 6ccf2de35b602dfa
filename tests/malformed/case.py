"""One malformed request and what must come of it, as data."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Headers: TypeAlias = Mapping[str, str | bytes]

MARKER: Final = "s3cr3t-marker"  # stands in values; neither an answer nor the log may repeat it
EMAIL: Final = f"{MARKER}@example.com"
JSON: Final[Headers] = {"Content-Type": "application/json"}
EVENT_JSON: Final[Headers] = {"Content-Type": "application/cloudevents+json"}
EVENTS_JSON: Final[Headers] = {"Content-Type": "application/cloudevents-batch+json"}
FORM: Final[Headers] = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

Body: TypeAlias = bytes | str | dict[str, Any] | list[Any] | Callable[[], bytes]


@dataclass(frozen=True)
class Case:
    """`statuses`: those that are right. `at`: pointers that the problem must name. `body`: big ones are made late."""

    name: str
    path: str
    body: Body
    statuses: tuple[int, ...]
    at: tuple[str, ...] = ()
    key: str = ""
    headers: Headers = field(default_factory=dict)
    method: str = "POST"

    def content(self) -> bytes:
        if callable(self.body):
            return self.body()
        if isinstance(self.body, dict | list):
            return json.dumps(self.body).encode()
        return self.body if isinstance(self.body, bytes) else self.body.encode()
