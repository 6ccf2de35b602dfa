"""What a person sees of an import: the understanding, the progress, the result."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.ingest.domain.sheets.columns import LEFT_OUT, TRAIT
from services.ingest.importing.reading import Shape
from services.ingest.importing.run import Tally
from services.ingest.importing.understanding import Understanding
from shared.terminal import printable

_OPEN: Final = frozenset(
    {"amount", "currency", "margin", "coupon", "occurred_at", "status", "estimated_value", "item.sku", "item.name",
     "item.quantity", "item.price", "item.margin", "item.cost", "cost_of_goods", "consent", "form", "size", "country",
     "locale", "time_zone", "opted_out", "subscription"}
)  # fmt: skip
_LONGEST: Final = 30
_WORD: Final = re.compile(r"\w+")
_REASONS: Final = 10


def example(taken_as: str, value: str) -> str:
    """A value fit to show: of personal data, only the first letter of each word."""
    if taken_as in _OPEN or taken_as.startswith("campaign."):
        return value[:_LONGEST]
    if taken_as == "order_id":
        return value[:_LONGEST]
    return _WORD.sub(lambda word: f"{word[0][0]}…" if len(word[0]) > 1 else "…", value[: 3 * _LONGEST])[:_LONGEST]


def described(found: Understanding) -> dict[str, Any]:
    """The understanding as JSON shows it, and as `show_understanding` puts into words."""
    sheet, columns = found.sheet, []
    for index, column in enumerate(sheet.columns):
        value = next((str(row[index]) for row in found.rows if index < len(row) and row[index] != ""), "")
        value = " ".join(value.split())
        columns.append({"column": column.name, "example": example(column.taken_as, value), "taken_as": column.taken_as})
    return {
        "kind": sheet.kind,
        "format": "json lines" if found.shape.delimiter is None else "csv",
        "delimiter": found.shape.delimiter,
        "encoding": found.shape.encoding,
        "dates": sheet.dates,
        "decimals": sheet.decimals,
        "zone": sheet.zone,
        "currency": sheet.currency,
        "columns": columns,
        "undated": found.undated[0],
    }


def show_understanding(console: Console, name: str, found: Understanding, *, follow_up: bool) -> None:
    """A table of the columns, and a line of all else."""
    about = described(found)
    words = [f"{name}: {about['kind']}", str(about["format"])]
    if about["delimiter"] is not None:
        shown = {"\t": "tab"}.get(about["delimiter"], about["delimiter"])
        words.append(f"cells end with {shown!r}")
    words.append(_letters(found.shape))
    if about["dates"]:
        words.append({"dmy": "day before month", "mdy": "month before day"}[about["dates"]])
    words.append(f"times without a zone are {about['zone']}")
    if about["currency"]:
        words.append(f"amounts without a currency are {about['currency']}")
    console.print("; ".join(words), markup=False, highlight=False)
    if not about["columns"]:
        return
    table = Table("column", "example", "taken as")
    for each in about["columns"]:
        taken = each["taken_as"]
        said = "left out" if taken == LEFT_OUT else taken
        if taken.startswith(TRAIT):
            said = f"trait {taken.removeprefix(TRAIT)}"
        table.add_row(*(_plain(text) for text in (each["column"], each["example"], said)))
    console.print(table)
    without, looked_at = found.undated
    if without:
        which = f"{without} of the first {looked_at} rows do not say" if without < looked_at else "no row says"
        acts = "starts no workflow; --follow-up treats it as one of now"
        if follow_up:
            acts = "is followed up as one of now"
        said = f"{'Beware: ' if follow_up else ''}{which} when it happened. Such a row {acts}."
        console.print(said, style="yellow", markup=False, highlight=False)


def show_rows(console: Console, events: Sequence[Mapping[str, Any]]) -> None:
    """The first events as they will be stored: whoever imports a file may see its content."""
    table = Table("event", "time", "what is stored")
    for event in events:
        said = [f"{name}: {value}" for name, value in _flat(event["data"])]
        time = "not known" if event.get("undated") else str(event["time"])[:16].replace("T", " ")
        table.add_row(*map(_plain, (event["type"], time, "; ".join(said))))
    if events:
        console.print(table)


def _flat(data: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, "" if name in ("identity", "traits") else f"{before}{name}.")
        elif isinstance(value, list):
            yield f"{before}{name}", len(value)
        else:
            yield f"{before}{name}", value


def _letters(shape: Shape) -> str:
    if shape.encoding.startswith("utf"):
        return shape.encoding
    name = shape.encoding.replace("cp125", "Windows-125")
    return f"not UTF-8, read as {name}"


def _plain(text: str) -> str:
    return printable(text).replace("[", "\\[")


@contextmanager
def bar(console: Console, size: int, begun: Tally) -> Iterator[Any]:
    """A progress bar over the bytes of the file; yields the function to call with each new tally."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=4, transient=True) as progress:
        task = progress.add_task("importing", total=size, completed=begun.progress.read, rows="")
        before, told = rows_of(begun), begun.trouble

        def show(tally: Tally) -> None:
            nonlocal told
            if tally.trouble != told and not console.is_terminal:  # no bar there to say it
                console.print(tally.trouble or "importing again", highlight=False)
            told = tally.trouble
            seconds = progress.tasks[0].elapsed or 0.0
            rate = (rows_of(tally) - before) / seconds if seconds else 0.0
            rows = f"{rows_of(tally):,} rows, {rate:,.0f}/s"
            progress.update(task, completed=tally.progress.read, description=tally.trouble or "importing", rows=rows)

        yield show


def rows_of(tally: Tally) -> int:
    """Rows that are done, accepted or not."""
    return tally.progress.taken + tally.progress.refused + tally.progress.left_out


def summary(tally: Tally, *, sent: bool, seconds: float) -> str:
    """One line: how many rows were accepted, rejected, left out."""
    done = tally.progress
    words = [f"{done.taken:,} {'imported' if sent else 'good'}", f"{done.refused:,} refused"]
    if done.left_out:
        words.append(f"{done.left_out:,} left out (not paid, or a line of totals)")
    return f"{', '.join(words)}; {seconds:.1f} s"


def reasons(tally: Tally) -> list[str]:
    """The most frequent reasons of this run, with the number of rows."""
    return [
        f"{count:,} {'row' if count == 1 else 'rows'}: {printable(reason)}"
        for reason, count in tally.reasons.most_common(_REASONS)
    ]
