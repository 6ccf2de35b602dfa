"""Names are shown to people at terminals, and are typed by strangers."""

import io

import pytest
from rich.console import Console

from services.ingest.importing.showing import show_rows
from shared.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada Łódź 東京", "Ada Łódź 東京"), ("\x1b[2Jx", r"\x1b[2Jx"), ("\x1b]52;c;YQ==\x07", r"\x1b]52;c;YQ==\x07"),
        ("a\r\nb", r"a\r\nb"), ("\x9b1m", r"\x9b1m"), ("\u202egpj", r"\u202egpj"),
    ],
)  # fmt: skip
def test_nothing_that_a_terminal_obeys(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_dry_run_writes_out_what_a_row_would_do_to_the_terminal() -> None:
    written = io.StringIO()
    row = {"type": "lead.captured", "time": "2026-01-01T10:00:00Z", "data": {"name": "\x1b[2JEve"}}
    show_rows(Console(file=written, force_terminal=True, color_system=None, width=100), [row])
    assert r"\x1b[2JEve" in written.getvalue()
