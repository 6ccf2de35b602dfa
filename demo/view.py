"""What the demo shows: a row per lead, and the totals. Pure: rows in, words or a table out."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table


@dataclass(slots=True)
class Row:
    """One lead's progress. `seconds`: from its POST to its first follow-up at the receiver."""

    name: str
    source: str
    value: str = ""
    reason: str = ""
    seconds: float | None = None
    then: list[str] = field(default_factory=list)

    def note(self, what: str) -> bool:
        """Remember what happened next, once; whether it is new."""
        if what in self.then:
            return False
        self.then.append(what)
        return True


def table(rows: Sequence[Row], *, page: str) -> Table:
    """The live view."""
    shown = Table(title="Leads and what became of them", caption=f"Webhooks and mails: {page}", expand=True)
    shown.add_column("Lead", no_wrap=True)
    shown.add_column("Came by", no_wrap=True)
    shown.add_column("Worth", justify="right", no_wrap=True)
    shown.add_column("Mostly for", no_wrap=True)
    shown.add_column("First follow-up", justify="right", no_wrap=True)
    shown.add_column("Then")
    for row in rows:
        shown.add_row(row.name, row.source, row.value, row.reason, _seconds(row), ", ".join(row.then))
    return shown


def line(row: Row) -> str:
    """The same row where there is no terminal."""
    worth = f"{row.value} ({row.reason})" if row.value else "not yet valued"
    return f"{row.name}, by {row.source}: {worth}; first follow-up {_seconds(row) or 'not yet'}; {', '.join(row.then)}"


def _seconds(row: Row) -> str:
    return "" if row.seconds is None else f"{row.seconds:.3f} s"


def summary(rows: Sequence[Row], *, webhooks: int, refused: int, mails: int, purchases: int) -> dict[str, Any]:
    """The totals; seconds are from a lead's POST to its first follow-up."""
    seconds = sorted(row.seconds for row in rows if row.seconds is not None)
    return {
        "leads": len(rows),
        "followed_up": len(seconds),
        "p50_seconds": round(statistics.median(seconds), 3) if seconds else None,
        "max_seconds": round(seconds[-1], 3) if seconds else None,
        "webhooks_verified": webhooks,
        "webhooks_refused": refused,
        "mails": mails,
        "purchases": purchases,
    }


def as_text(result: dict[str, Any]) -> str:
    """The totals in words."""
    return (
        f"{result['followed_up']} of {result['leads']} leads followed up; seconds to the first follow-up: "
        f"half within {result['p50_seconds']}, all within {result['max_seconds']}. "
        f"{result['webhooks_verified']} webhooks verified, {result['webhooks_refused']} refused, "
        f"{result['mails']} mails, {result['purchases']} purchases."
    )
