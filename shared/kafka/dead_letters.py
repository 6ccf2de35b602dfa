"""The path of a dead letter: from a record that can never work to its row, and from there to its topic."""

import traceback
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.db.tables.dead_letters import DeadLetterRow
from shared.errors import Permanent
from shared.kafka.records import DeadLetter, Headers, Outgoing, Record

ATTEMPT: Final = "firsthour-attempt"  # on a redriven record: how often it has failed before
FIRST_FAILED: Final = "firsthour-first-failed"
_ROOT: Final = Path(__file__).parents[2]


def dead_letter(record: Record, error: Exception) -> DeadLetter:
    """The dead letter of a record that fails on its own. Its reason quotes only what was raised on purpose."""
    if isinstance(error, Permanent):
        return DeadLetter(record, type(error).__name__, str(error))
    return DeadLetter(record, type(error).__name__, f"{type(error).__name__} {_where(error)}", "unforeseen")


def _where(error: Exception) -> str:
    """The line of ours that raised: an exception's text may quote the event, the line does not."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT) and ".venv" not in frame.filename]
    if not ours:
        return "(no line known)"
    return f"at {Path(ours[-1].filename).relative_to(_ROOT)}:{ours[-1].lineno}"


def as_row(letter: DeadLetter, source: str, now: datetime) -> DeadLetterRow:
    """The dead letter as it is stored with the offset that it ends."""
    record = letter.record
    headers = dict(record.headers)
    return DeadLetterRow(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        letter.kind,
        letter.error_class,
        _printable(letter.reason),
        _printable(source)[:60],
        _attempt(headers.get(ATTEMPT)) + 1,
        now,
        _moment(headers.get(FIRST_FAILED)) or now,
    )


def as_message(row: DeadLetterRow, topic: str, consumer: str) -> Outgoing:
    """The dead letter for its topic: the original bytes, with origin and reason in the headers."""
    return Outgoing(
        topic,
        row.key,
        row.value,
        (
            ("origin-topic", row.topic.encode()),
            ("origin-partition", str(row.partition).encode()),
            ("origin-offset", str(row.offset).encode()),
            ("consumer", consumer.encode()),
            ("error-kind", row.kind.encode()),
            ("error-class", row.error_class.encode()),
            ("error-message", row.reason.encode()),
            ("source", row.source.encode()),
            ("attempt", str(row.attempt).encode()),
            ("failed-at", row.failed_at.isoformat().encode()),
            ("first-failed-at", row.first_failed_at.isoformat().encode()),
        ),
    )


def again(attempt: int, first_failed: datetime) -> Headers:
    """Headers of a redriven record: what its next dead letter, if there is one, must say."""
    return ((ATTEMPT, str(attempt).encode()), (FIRST_FAILED, first_failed.isoformat().encode()))


def _printable(text: str) -> str:
    """The text without characters that Postgres or a terminal rejects."""
    return "".join(character if character.isprintable() else " " for character in text)


def _attempt(header: bytes | None) -> int:
    return int(header) if header is not None and header.isdigit() and len(header) < 6 else 0  # noqa: PLR2004 - an int


def _moment(header: bytes | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(header.decode()) if header else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
