"""The backtest of a file of past leads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from services.scoring.training.leads.backtest import LeadsBacktest, Say, backtest_leads
from services.scoring.training.reading.columns import ReadColumn, read_column
from services.scoring.training.reading.moments import Moments, in_order
from services.scoring.training.reading.outcome import outcomes
from services.scoring.training.reading.sheet import Sheet, SheetUnusableError, read_sheet
from shared.durations import DAY_S

_FEWEST_ROWS: Final = 20
_LATER: Final = 0.5  # of the days in a column


def backtest_leads_file(
    path: Path,
    outcome: str,
    time: str | None,
    drop: Sequence[str],
    *,
    matures_s: float = 0.0,
    say: Say = lambda _done: None,
) -> tuple[LeadsBacktest, list[str]]:
    """The backtest of the leads in a CSV file, and how it was read. Columns are named as in the file, in any case.

    Raises SheetUnusableError when a column is missing or the outcome is not yes or no, and OSError.
    """
    sheet = read_sheet(path)
    said = list(sheet.said)
    target, how = outcomes(sheet.column(outcome))
    said.append(f"{outcome}: {how}")
    times = _times(sheet, time) if time is not None else None
    if times is not None and times.said is not None:
        said.append(f"{time}: {times.said}")
    when = None if times is None else times.values
    apart = {sheet.name(name) for name in (outcome, *drop, *([time] if time else []))}
    kept = [row for row in range(sheet.count) if target[row] is not None and (when is None or when[row] is not None)]
    if len(kept) < sheet.count:
        said.append(f"{sheet.count - len(kept)} rows without an outcome{' or a time' if when else ''} are left out")
    known = [each for row in kept if (each := target[row]) is not None]
    if len(kept) < _FEWEST_ROWS or len(set(known)) < 2:  # noqa: PLR2004 - both outcomes are needed
        raise SheetUnusableError(
            f"{len(kept)} usable rows with {sum(known)} conversions: too few to learn from; "
            f"{_FEWEST_ROWS} rows are needed, with some that converted and some that did not"
        )
    reads = {
        name: read_column([cells[row] for row in kept], name)
        for name, cells in sheet.columns.items()
        if name not in apart
    }
    columns = {name: read.values for name, read in reads.items() if read.left_out is None}
    left_out = {name: read.left_out for name, read in reads.items() if read.left_out is not None}
    said += [f"{name}: {read.said}" for name, read in reads.items() if read.said is not None]
    said += [f"{name}: left out: {why}" for name, why in left_out.items()]
    if not columns:
        raise SheetUnusableError("no column is left to predict from")
    came = None if when is None else [moment for row in kept if (moment := when[row]) is not None]
    test = backtest_leads(
        columns, known, came, left_out=left_out, afterwards=_afterwards(reads, came), matures_s=matures_s, say=say
    )
    return test, said


def _times(sheet: Sheet, name: str) -> Moments:
    cells = sheet.column(name)
    found = in_order(cells)
    if found is None:
        some = ", ".join(repr(cell) for cell in list(dict.fromkeys(cells))[:3])
        raise SheetUnusableError(f"{name!r} holds no days or times, nor numbers that rise with them: {some}")
    return found


def _afterwards(reads: Mapping[str, ReadColumn], came: Sequence[float] | None) -> dict[str, str]:
    """Time columns that mostly lie after the lead's own time, and what is wrong with them."""
    found = {}
    for name, read in reads.items():
        if came is None or read.times is None or read.left_out is not None:
            continue
        ahead = [at > lead + DAY_S for at, lead in zip(read.times, came, strict=True) if at is not None]
        if sum(ahead) >= _LATER * len(ahead):
            found[name] = f"lies after the lead's own time in {sum(ahead)} of {len(ahead)} rows"
    return found
