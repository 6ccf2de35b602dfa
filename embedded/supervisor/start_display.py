"""What the start is waiting for, and for how long: a live table in a terminal, plain lines elsewhere."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from embedded.brokers.stack import READY

_PLAIN_EVERY_S: Final = 3.0


@dataclass
class _Row:
    since: float
    text: str
    done_after: float | None = None
    printed: str = ""
    printed_at: float = -1e9
    spinner: Spinner = field(default_factory=lambda: Spinner("dots"))


class StartDisplay:
    """Shows what is reported to it. `clock` gives seconds."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=10, transient=True)

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show it until the block ends, or until `close`."""
        if self._console.is_terminal:
            self._live.start()
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Remove the table."""
        self._live.stop()

    def report(self, name: str, text: str) -> None:
        """Say what the part is doing; READY is the last report of each."""
        now = self._clock()
        row = self._rows.setdefault(name, _Row(now, text))
        row.text = text
        if text == READY:
            row.done_after = now - row.since
            text = f"{READY} after {row.done_after:.1f} s"
        if not self._console.is_terminal:
            self._print(name, row, text, now)

    def _print(self, name: str, row: _Row, text: str, now: float) -> None:
        progress = re.sub(r"\d+", "", text) == re.sub(r"\d+", "", row.printed)  # the same message with other figures
        if text != row.printed and not (progress and now - row.printed_at < _PLAIN_EVERY_S):
            self._console.print(f"{name}: {text}", markup=False, highlight=False, soft_wrap=True)
            row.printed, row.printed_at = text, now

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for name, row in self._rows.items():
            done = row.done_after is not None
            seconds = row.done_after if row.done_after is not None else self._clock() - row.since
            mark: RenderableType = Text("✓", "green") if done else row.spinner
            table.add_row(mark, Text(name), Text("" if done else row.text), Text(f"{seconds:.1f} s", "dim"))
        return table
