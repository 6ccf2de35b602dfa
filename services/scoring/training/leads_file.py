"""From a file of past leads to its backtest."""

from collections.abc import Sequence
from pathlib import Path

from services.scoring.training.leads_backtest import LeadsBacktest, Say, backtest_leads
from services.scoring.training.sheet import SheetUnusableError, moments, outcomes, read_column, read_sheet

_FEWEST_ROWS = 20


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
    times = None
    if time is not None:
        times = moments(sheet.column(time))
        if times is None:
            raise SheetUnusableError(f"{time!r} holds no days or times")
    for name in drop:
        sheet.column(name)
    apart = {name.strip().casefold() for name in (outcome, *drop, *([time] if time else []))}
    kept = [row for row in range(sheet.count) if target[row] is not None and (times is None or times[row] is not None)]
    if len(kept) < sheet.count:
        said.append(f"{sheet.count - len(kept)} rows without an outcome{' or a time' if times else ''} are left out")
    known = [each for row in kept if (each := target[row]) is not None]
    if len(kept) < _FEWEST_ROWS or len(set(known)) < 2:  # noqa: PLR2004 - both outcomes are needed
        raise SheetUnusableError(f"{len(kept)} usable rows with {sum(known)} conversions: too few to learn from")
    reads = {
        name: read_column([cells[row] for row in kept])
        for name, cells in sheet.columns.items()
        if name.casefold() not in apart
    }
    columns = {name: read.values for name, read in reads.items() if read.left_out is None}
    left_out = {name: read.left_out for name, read in reads.items() if read.left_out is not None}
    said += [f"{name}: {read.said}" for name, read in reads.items() if read.said is not None]
    said += [f"{name}: left out: {why}" for name, why in left_out.items()]
    if not columns:
        raise SheetUnusableError("no column is left to predict from")
    when = None if times is None else [moment for row in kept if (moment := times[row]) is not None]
    test = backtest_leads(columns, known, when, left_out=left_out, matures_s=matures_s, say=say)
    return test, said
