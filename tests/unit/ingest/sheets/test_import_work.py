"""What comes of a piece of a file."""

from datetime import timedelta

from services.ingest.domain.sheets.columns import Column
from services.ingest.domain.sheets.sheet import Sheet
from services.ingest.importing.reading import Piece, Shape
from services.ingest.importing.work import Plan, Worker
from shared.clock import utc_now


def test_a_time_ahead_of_us_is_refused_and_never_now() -> None:
    sheet = Sheet("leads", (Column("email", "email"), Column("Created", "occurred_at")))
    now = utc_now()
    rows = (
        f"a@example.com,{now.isoformat()}\n"
        f"b@example.com,{(now + timedelta(days=1)).isoformat()}\n"
        f"c@example.com,{(now - timedelta(days=1)).isoformat()}\n"
    ).encode()
    worker = Worker(Plan(sheet, Shape("utf-8", ","), "/sources/import", b"key"))
    worked = worker.work(Piece(rows, len(rows), 2, 5, len(rows)))
    assert len(worked.messages) == 2
    assert [(each.line, each.reason) for each in worked.refused] == [(3, "occurred_at: is ahead of now")]
