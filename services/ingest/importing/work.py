"""What a worker process does: a piece of the file in, messages and refused rows out."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from services.ingest.accept.outgoing import as_outgoing, event_id_of
from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.sheets.cells import from_text
from services.ingest.domain.sheets.columns import WHO
from services.ingest.domain.sheets.sheet import Sheet, SheetReader
from services.ingest.domain.sheets.totals import is_no_row
from services.ingest.importing.cutting import LONGEST_RECORD
from services.ingest.importing.reading import Piece, Shape
from shared.clock import utc_now
from shared.kafka.topics import LARGEST_EVENT

_JSON: Final = msgspec.json.Decoder()


class Refusal(NamedTuple):
    """A rejected row, as it is in the file. The reason names columns, never a value."""

    line: int
    reason: str
    row: list[str]


class Worked(NamedTuple):
    """The result of a piece. `messages` are keys and values, several for some rows; `taken` counts accepted rows.

    What is left out says that nothing was bought, or sums up the rows above it.
    """

    messages: list[tuple[bytes | None, bytes]]
    refused: list[Refusal]
    taken: int = 0
    left_out: int = 0


class Group(NamedTuple):
    """The rows of one fact, and the line that the first one begins on."""

    line: int
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a worker needs. `source` is `/sources/<name>`, `shop` the source whose orders it also tells of.

    `follow_up`: rows that do not say when it happened are followed up as if it was now.
    """

    sheet: Sheet
    shape: Shape
    source: str
    key_secret: bytes
    trace: str | None = None
    follow_up: bool = False
    shop: str | None = None


# A time in the future is a mistake of the sheet; taken as now, it would start workflows for new leads.
_AHEAD: Final = timedelta(minutes=5)


class Worker:
    """Makes messages of pieces."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reader = SheetReader(plan.sheet, plan.source)
        self._beside = self._reader.beside.any and plan.shape.delimiter is not None
        self._typed = plan.sheet.typed
        self._who = [at for at, column in enumerate(plan.sheet.columns) if column.taken_as in WHO]
        csv.field_size_limit(LONGEST_RECORD * 2)

    def work(self, piece: Piece) -> Worked:
        """The messages of a piece, in the order of its rows."""
        content = self._plan.shape.text(piece.content)
        worked = Worked([], [])
        if piece.broken:
            worked.refused.append(Refusal(piece.line, "a quote begins here that never ends", [content.rstrip("\r\n")]))
            return worked
        now, taken, left_out = utc_now(), 0, 0
        latest = now + _AHEAD
        for group in self._groups(content, piece.line):
            try:
                fact = self._fact(group)
                if fact is None:
                    left_out += 1
                elif fact.time is not None and fact.time > latest:
                    raise Refused([Wrong("occurred_at", "is ahead of now")])
                else:
                    messages = [self._message(fact, now)]
                    if self._beside:
                        messages += [self._message(each, now) for each in self._reader.beside.read(group.rows, fact)]
                    worked.messages.extend(messages)
                    taken += 1
            except Refused as refused:
                if is_no_row(group.rows[0], self._who):
                    left_out += 1
                    continue
                reason = "; ".join(f"{each.at}: {each.problem}" for each in refused.wrong)
                worked.refused.extend(Refusal(group.line, reason, row) for row in group.rows)
        return worked._replace(taken=taken, left_out=left_out)

    def _groups(self, content: str, line: int) -> Iterator[Group]:
        if self._plan.shape.delimiter is None:
            for number, each in enumerate(content.split("\n"), line):
                if each.strip():
                    yield Group(number, [[each]])
            return
        grouped = self._plan.shape.grouped
        if grouped is None:
            for begins, row in self._rows(content, line):
                yield Group(begins, [row])
            return
        group = Group(line, [])
        for begins, row in self._rows(content, line):
            if group.rows and (self._begins(row, group.rows[0], grouped) or self._sums_up(row, grouped)):
                yield group
                group = Group(begins, [])
            if not group.rows:
                group = Group(begins, [])
            group.rows.append(row)
        if group.rows:
            yield group

    def _begins(self, row: list[str], before: list[str], grouped: int) -> bool:
        """Whether it is of another order, or another step of the same."""
        if row[grouped] not in ("", before[grouped]):
            return True
        return self._typed is not None and row[self._typed] not in ("", before[self._typed])

    def _sums_up(self, row: list[str], grouped: int) -> bool:
        """Whether it is no item of the order above it."""
        return not row[grouped] and is_no_row(row, self._who)

    def _rows(self, content: str, line: int) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not empty, at least as long as there are columns, and the lines they begin on."""
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=self._plan.shape.delimiter or ",")
        columns = len(self._plan.sheet.columns)
        before, quoted = 0, "'" in content
        for row in reader:
            begins, before = line + before, reader.line_num
            if any(row):
                if quoted:
                    row[:] = map(from_text, row)
                row.extend([""] * (columns - len(row)))
                yield begins, row

    def _fact(self, group: Group) -> Fact | None:
        if self._plan.shape.delimiter is None:
            return self._reader.from_object(_object(group.rows[0][0]))
        columns = len(self._plan.sheet.columns)
        for row in group.rows:
            if len(row) > columns and any(row[columns:]):
                raise Refused([Wrong("row", f"has {len(row)} cells where the first line has {columns}")])
        return self._reader.from_row(group.rows[0]) if len(group.rows) == 1 else self._reader.from_rows(group.rows)

    def _message(self, fact: Fact, now: datetime) -> tuple[bytes | None, bytes]:
        plan = self._plan
        outgoing = as_outgoing(
            fact,
            topic="",
            source=plan.source,
            shop=plan.shop,
            trust="trusted",  # an operator runs it
            identifier=event_id_of(fact, fact.sender_id or "", plan.source, plan.shop),
            now=now,
            trace=plan.trace,
            key_secret=plan.key_secret,
            undated=fact.time is None and not plan.follow_up,
        )
        if len(outgoing.value) > LARGEST_EVENT:
            raise Refused([Wrong("row", "is larger than an event may be")])
        return outgoing.key, outgoing.value


def _object(line: str) -> dict[str, Any]:
    try:
        said = _JSON.decode(line)
    except (msgspec.DecodeError, RecursionError):
        raise Refused([Wrong("row", "is not valid JSON")]) from None
    if not isinstance(said, dict):
        raise Refused([Wrong("row", "is not a JSON object")])
    return said
