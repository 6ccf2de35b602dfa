"""`firsthour costs import`: a file of what advertising cost, read whole, shown, and sent."""

import asyncio
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.ingest.accept.outgoing import as_outgoing
from services.ingest.domain.fact import Fact
from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import DateOrder, Decimals
from services.ingest.domain.sheets.columns import NotUnderstood
from services.ingest.domain.sheets.costs import CostColumns, CostReading, Costs, added_up, cost_columns
from services.ingest.importing.reading import UTF_8, Shape, Unreadable, letters_of
from services.ingest.settings import IngestSettings
from shared.errors import Transient
from shared.events.identity import Identity
from shared.events.types import CostRecorded
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics
from shared.money import is_currency
from shared.runtime.pause import pause

SOURCE: Final = "/sources/costs"
_LARGEST: Final = 64_000_000  # bytes
_DELIMITERS: Final = ",\t;"
_TITLES: Final = 20  # lines above the names of the columns: LinkedIn and Google write some
_GZIP: Final = b"\x1f\x8b"
_CONNECT_S: Final = 30.0


class CostWishes(NamedTuple):
    """The user's options; None where nothing was said."""

    source: str | None = None
    per_source: bool = False
    dates: DateOrder | None = None
    decimals: Decimals | None = None
    currency: str | None = None
    zone: str = "UTC"


def read_costs(path: Path, wishes: CostWishes) -> Costs:
    """What the file tells. Raises NotUnderstood when something has to be said first, or Unreadable."""
    try:
        zone = ZoneInfo(wishes.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise NotUnderstood(f"--zone: {wishes.zone!r} is no time zone; write it as Europe/Berlin") from None
    currency = None if wishes.currency is None else wishes.currency.upper()
    if currency is not None and not is_currency(currency):
        raise NotUnderstood("--currency: must be an ISO 4217 code such as EUR")
    columns, rows = _table(_text(path))
    amounts, days = _values(rows, columns, "amount"), _values(rows, columns, columns.begins)
    if currency is None and columns.currency is None and "currency" not in columns.at:
        bare = [each for each in amounts if cells.amount(each, "point") and not cells.currency_beside(each)]
        if bare:
            raise NotUnderstood(f"{bare[0]}: in which currency? Say --currency EUR")
    return added_up(
        columns,
        rows,
        CostReading(
            zone,
            wishes.dates or _order(days),
            wishes.decimals or _decimals(amounts),
            currency,
            wishes.source,
            by_campaign=not wishes.per_source,
        ),
    )


def _text(path: Path) -> str:
    letters = letters_of(path)
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
                raw = file.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"cannot read {path}: {error}") from None
    if len(raw) > _LARGEST:
        raise NotUnderstood("it is larger than 64 MB: export fewer columns, or a shorter period at a time")
    encoding = letters.encoding or "cp1252"
    text = Shape(UTF_8, None).text(raw) if encoding == UTF_8 else raw.decode(encoding, "replace")
    return text.removeprefix("\ufeff")


def _table(text: str) -> tuple[CostColumns, list[tuple[int, Sequence[str]]]]:
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = ((reader.line_num, row) for row in reader)
        for _ in range(_TITLES):
            _, names = next(rows, (0, None))
            if names is None:
                break
            columns = cost_columns(names)
            if columns is not None:
                return columns, [(line, row) for line, row in rows if any(row)]
    raise NotUnderstood("no line names a column of days (Day, Date, Month) and one of what was spent (Cost, Spend)")


def _values(rows: Sequence[tuple[int, Sequence[str]]], columns: CostColumns, target: str) -> list[str]:
    index = next(index for each, index in columns.at.items() if each == target)
    return [value for _, row in rows if index < len(row) and (value := row[index].strip())]


def _order(days: Sequence[str]) -> DateOrder | None:
    unsure, shown = cells.date_orders(days)
    if len(shown) == 1:
        return next(iter(shown))
    if unsure or shown:
        raise NotUnderstood("is the day before the month in its dates, or the month first? Say --dates dmy or mdy")
    return None


def _decimals(amounts: Sequence[str]) -> Decimals:
    unsure, shown = cells.decimals_of(amounts)
    if len(shown) == 1:
        return next(iter(shown))
    if unsure or shown:
        raise NotUnderstood("is the decimal sign of its amounts a point or a comma? Say --decimal point or comma")
    return "point"


def send_costs(
    costs: Sequence[CostRecorded],
    settings: IngestSettings,
    now: datetime,
    new_id: Callable[[], UUID],
    connect_s: float = _CONNECT_S,
) -> None:
    """Send them, and return once they are safe. Raises Transient, also when Kafka is away for `connect_s`.

    Each is an event of its own: a cost that was corrected and put back again is told three times.
    """
    topic, secret = Topics(settings.topic_prefix).events_bulk, settings.partition_key_secret()
    outgoing = [
        as_outgoing(
            Fact("cost.recorded", Identity(), cost),
            topic=topic, source=SOURCE, trust="trusted", identifier=new_id(), now=now, trace=None, key_secret=secret,
        )
        for cost in costs
    ]  # fmt: skip

    async def run() -> None:
        producer = Producer(settings.kafka, client_id="firsthour-costs", access=settings.kafka_access())
        closing = asyncio.Event()
        running = asyncio.create_task(producer.run(closing))
        try:
            try:
                async with asyncio.timeout(connect_s):
                    while not producer.ready:
                        await pause(closing, 0.05)
            except TimeoutError:
                raise Transient(f"Kafka at {settings.kafka} did not answer; no cost was told") from None
            await producer.send_all(outgoing)
        finally:
            closing.set()
            await running

    asyncio.run(run())
