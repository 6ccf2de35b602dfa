"""What comes of a piece of a file."""

from datetime import timedelta

from services.ingest.domain.sheets.columns import Column
from services.ingest.domain.sheets.sheet import Sheet
from services.ingest.importing.progress import Progress
from services.ingest.importing.reading import Piece, Shape
from services.ingest.importing.run import Tally
from services.ingest.importing.work import Plan, Refusal, Worked, Worker
from shared.clock import utc_now
from shared.events.envelope import decode


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


def test_lines_of_an_order_may_end_in_cells_too_many() -> None:
    columns = [Column("Name", "order_id"), Column("Email", "email"), Column("Total", "amount")]
    columns += [Column("Currency", "currency"), Column("Item", "item.name")]
    rows = b"#1,a@example.com,20.00,EUR,Cup,\n#1,,,,Plate\n#2,b@example.com,,EUR,Cup\n#2,,5.00,,Plate,,\n"
    worker = Worker(Plan(Sheet("purchases", tuple(columns)), Shape("utf-8", ",", 0), "/sources/import", b"key"))
    worked = worker.work(Piece(rows, len(rows), 2, 6, len(rows)))
    assert not worked.refused
    orders = [decode(value).data for _, value in worked.messages]
    assert [(each.amount, [item.name for item in each.items]) for each in orders] == [
        ("20.00", ["Cup", "Plate"]),
        ("5.00", ["Cup", "Plate"]),
    ]


def test_what_is_done_is_added_up_over_pieces_and_runs() -> None:
    tally = Tally(Progress(of="a file", offset=10, line=3, taken=1, refused=1, left_out=1, refused_bytes=7))
    for end in (20, 30):
        refused = [Refusal(end, "is wrong", ["row"])] * 2
        tally.count(Piece(b"", end, end - 1, end + 1, end), Worked([], refused, 5, 3), refused_bytes=end)
    assert tally.progress == Progress(
        of="a file", offset=30, read=30, line=31, taken=11, refused=5, left_out=7, refused_bytes=30
    )
    assert tally.reasons == {"is wrong": 4}
