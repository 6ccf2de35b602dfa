"""The preview of a dry run: the first rows as they will be stored, and what would be sent to whom."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from shared.clock import utc_now

SHOWN: Final = 20  # rows


class Start(NamedTuple):
    """What starts a workflow: events of type `on`, at most `max_age` old (None: any age). `sends`: all it may send."""

    workflow: str
    on: str
    max_age: timedelta | None
    sends: tuple[str, ...]


class _Event(Struct):
    type: str
    time: datetime
    undated: bool = False


_EVENT: Final = msgspec.json.Decoder(_Event)


class Foreseen:
    """Counts while the pieces of a file are read. Conditions are not evaluated, so the counts are upper bounds."""

    def __init__(self, starts: Sequence[Start]) -> None:
        """`starts`: of the workflows that are live."""
        self._starts = starts
        self._now = utc_now()
        self._rows: Counter[str] = Counter()
        self.first: list[dict[str, Any]] = []

    def add(self, messages: Iterable[tuple[bytes | None, bytes]]) -> None:
        """The messages of a piece."""
        for _, value in messages:
            if len(self.first) < SHOWN:
                event = msgspec.json.decode(value)
                self.first.append({name: event[name] for name in ("type", "time", "undated", "data") if name in event})
            if self._starts:
                self._count(_EVENT.decode(value))

    def _count(self, event: _Event) -> None:
        if event.undated:
            return
        for start in self._starts:
            if start.on == event.type and (start.max_age is None or event.time + start.max_age >= self._now):
                self._rows[start.workflow] += 1

    def described(self) -> list[dict[str, Any]]:
        return [
            {"workflow": start.workflow, "at_most": self._rows[start.workflow], "sends": list(start.sends)}
            for start in self._starts
            if self._rows[start.workflow]
        ]

    def lines(self) -> list[str]:
        if not self._starts:
            return []
        told = [
            f"At most {each['at_most']:,} start {each['workflow']}, which may send: "
            f"{', '.join(each['sends']) or 'nothing'}"
            for each in self.described()
        ]
        return told or ["No row starts a workflow: nothing is sent to anybody."]
