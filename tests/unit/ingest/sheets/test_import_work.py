"""What comes of a piece of a file."""

from datetime import timedelta
from uuid import UUID

import msgspec

from services.ingest.domain.sheets.columns import Column
from services.ingest.domain.sheets.sheet import Sheet
from services.ingest.importing.progress import Progress
from services.ingest.importing.reading import Piece, Shape
from services.ingest.importing.run import Tally
from services.ingest.importing.work import Plan, Refusal, Worked, Worker
from shared.clock import utc_now
from shared.events.envelope import decode
from shared.kafka.topics import LARGEST_EVENT


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


def test_a_row_is_taken_with_all_that_it_says_or_not_at_all() -> None:
    names = ("order_id", "email", "amount", "currency", "refunded")
    sheet = Sheet("purchases", tuple(Column(name, name) for name in names))
    rows = b"1,a@example.com,20.00,EUR,5.00\n2,b@example.com,20.00,EUR,much\n"
    worked = Worker(Plan(sheet, Shape("utf-8", ","), "/sources/import", b"key")).work(
        Piece(rows, len(rows), 2, 4, len(rows))
    )
    assert [decode(value).data.order_id for _, value in worked.messages] == ["1", "1"]
    assert (worked.taken, [each.line for each in worked.refused]) == (1, [3])


def test_a_refused_order_is_refused_with_all_its_rows_and_a_line_of_totals_is_none() -> None:
    columns = [Column("Name", "order_id"), Column("Email", "email"), Column("Total", "amount")]
    columns += [Column("Currency", "currency"), Column("Item", "item.name")]
    rows = b"#1,a@example.com,much,EUR,Cup\n#1,,,,Plate\n#2,b@example.com,5.00,EUR,Fork\nTotal,,25.00,,\n"
    worker = Worker(Plan(Sheet("purchases", tuple(columns)), Shape("utf-8", ",", 0), "/sources/import", b"key"))
    worked = worker.work(Piece(rows, len(rows), 2, 6, len(rows)))
    assert [(each.line, each.row[4]) for each in worked.refused] == [(2, "Cup"), (2, "Plate")]
    assert (worked.taken, worked.left_out) == (1, 1)


def test_a_line_whose_quote_never_ends_is_refused_once_and_read_as_nothing() -> None:
    sheet = Sheet("leads", (Column("email", "email"), Column("note", "traits.note")))
    line = b'a@example.com,"never ends\n'
    worker = Worker(Plan(sheet, Shape("utf-8", ","), "/sources/import", b"key"))
    worked = worker.work(Piece(line, len(line), 2, 3, len(line), broken=True))
    assert (worked.messages, worked.taken) == ([], 0)
    assert [each.row for each in worked.refused] == [['a@example.com,"never ends']]


def test_what_no_topic_takes_is_refused_and_not_waited_for() -> None:
    sheet = Sheet("events", ())
    data = {"identity": {"email": "a@example.com"}, "kind": "page_viewed", "what": "x" * LARGEST_EVENT}
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "engagement.recorded",
             "time": "2026-01-01T10:00:00Z", "data": data}  # fmt: skip
    line = msgspec.json.encode(event)
    worker = Worker(Plan(sheet, Shape("utf-8", None), "/sources/import", b"key"))
    worked = worker.work(Piece(line, len(line), 1, 2, len(line)))
    assert (worked.messages, len(worked.refused)) == ([], 1)


def test_an_order_of_a_shop_has_the_shop_s_id_whatever_the_import_is_called() -> None:
    names = ("order_id", "email", "amount", "currency")
    sheet, rows = Sheet("purchases", tuple(Column(name, name) for name in names)), b"1,a@example.com,20.00,EUR\n"

    def id_of(source: str, shop: str | None) -> UUID:
        worker = Worker(Plan(sheet, Shape("utf-8", ","), source, b"key", shop=shop))
        ((_, value),) = worker.work(Piece(rows, len(rows), 2, 3, len(rows))).messages
        return decode(value).event.id

    assert id_of("/sources/march", "/sources/shop") == id_of("/sources/april", "/sources/shop")
    assert id_of("/sources/march", None) != id_of("/sources/april", None)
