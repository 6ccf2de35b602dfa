"""Rows of sheets: the same rules as JSON, and what has to be asked first."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ingest.domain.fact import Refused
from services.ingest.domain.plain.leads import read_lead, read_purchase
from services.ingest.domain.sheets.columns import Column, NotUnderstood
from services.ingest.domain.sheets.sheet import Sheet, SheetReader
from services.ingest.importing.understanding import Wishes, understand


def rows_of(content: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


@given(
    st.fixed_dictionaries(
        {
            "email": st.one_of(st.sampled_from(["ada@example.com", "Grace@Example.com", "nobody", ""]), WORDS),
            "phone": st.sampled_from(["", "+44 1632 960961"]),
            "user_id": WORDS,
            "name": WORDS,
            "company": WORDS,
            "interest": WORDS,
            "message": st.one_of(WORDS, st.just("x" * 10_001)),
            "message_id": WORDS,
            "page": WORDS,
            "campaign.source": WORDS,
            "traits.plan": WORDS,
            "occurred_at": st.sampled_from(["", "2026-01-31T10:00:00+00:00"]),
        }
    )
)
def test_a_row_is_what_the_same_json_would_be(cell: dict[str, str]) -> None:
    body: dict[str, object] = {name: value for name, value in cell.items() if "." not in name and value != ""}
    body |= {"campaign": {"source": cell["campaign.source"]}, "traits": {"plan": cell["traits.plan"]}}
    if not cell["traits.plan"]:
        del body["traits"]
    reader = SheetReader(Sheet("leads", tuple(Column(name, name) for name in cell)), "/sources/import")
    row = list(cell.values())
    try:
        expected = read_lead(body)
    except Refused as refused:
        wrong = refused.wrong
    else:
        fact = reader.from_rows([row])
        assert fact is not None
        assert (fact.data, fact.identity, fact.time) == (expected.data, expected.identity, expected.time)
        assert fact.sender_id is not None
        assert expected.sender_id in (None, fact.sender_id)
        return
    with pytest.raises(Refused) as raised:
        reader.from_rows([row])
    assert [each.problem for each in raised.value.wrong] == [each.problem for each in wrong]


def understood(tmp_path: Path, content: str, **wishes: object) -> tuple[Sheet, list[str], SheetReader, list[list[str]]]:
    path = tmp_path / "sheet.csv"
    path.write_bytes(content.encode())
    found = understand(path, Wishes(**wishes))  # type: ignore[arg-type]
    rows = rows_of(content.encode()[found.begins :], found.shape.delimiter or ",")
    return found.sheet, [each.option for each in found.questions], SheetReader(found.sheet, "/sources/shop"), rows


@pytest.mark.parametrize(
    ("header", "row", "name"),
    [
        ("Email;Vorname;Name;Firma", "a@example.com;Anna;Müller;Acme", "Anna Müller"),
        ("E-mail;Imię;Nazwisko", "a@example.com;Paweł;Wójcik", "Paweł Wójcik"),
        ("email;prenom;nom", "a@example.com;;Dupont", "Dupont"),
        ("email;Full name;First name", "a@example.com;Ada Lovelace;Ada", "Ada Lovelace"),
    ],
)
def test_both_halves_of_a_name_are_kept(tmp_path: Path, header: str, row: str, name: str) -> None:
    _, _, reader, rows = understood(tmp_path, f"{header}\n{row}\n")
    for fact in (reader.from_row(rows[0]), reader.from_rows(rows)):
        assert fact is not None
        assert msgspec.to_builtins(fact.data)["name"] == name


# Each value is of another exporter, and all are one meaning.
OUT = """\
Email,Unsubscribed from all email,Email Opt Out,Do Not Email,HasOptedOutOfEmail,Email Opt-in,Subscription Status,Bounced,UNSUB_TIME
opt1@example.com,true,,,,,,,
opt2@example.com,,1,,,,,,
opt3@example.com,,,Yes,,,,,
opt4@example.com,,,,TRUE,,,,
opt5@example.com,,,,,no,,,
opt6@example.com,,,,,,Unsubscribed,,
opt7@example.com,,,,,,Cleaned,,
opt8@example.com,,,,,,,hard,
opt9@example.com,,,,,,,,2026-10-02 17:30:00
opt10@example.com,,,,,yes,Opted-out,,
in1@example.com,false,0,No,FALSE,yes,Subscribed,No,
in2@example.com,,,,,,,,
"""


def test_who_is_out_by_any_column_has_not_agreed(tmp_path: Path) -> None:
    _, questions, reader, rows = understood(tmp_path, OUT)
    assert questions == []
    for row in rows:
        for fact in (reader.from_row(row), reader.from_rows([row])):
            assert fact is not None
            lead = msgspec.to_builtins(fact.data)
            consent = lead.get("consent", {}).get("email")
            assert consent is (None if row[0] == "in2@example.com" else not row[0].startswith("opt")), row[0]


def test_a_status_that_says_something_else_stays_a_trait(tmp_path: Path) -> None:
    _, _, reader, rows = understood(tmp_path, "email,Status,Marketing status\na@example.com,Qualified,Bounced\n")
    for fact in (reader.from_row(rows[0]), reader.from_rows(rows)):
        assert fact is not None
        lead = msgspec.to_builtins(fact.data)
        assert (lead["traits"], lead["consent"]["email"]) == ({"Status": "Qualified"}, False)


SHOPIFY = """\
Name,Email,Financial Status,Paid at,Currency,Total,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku
#1,a@example.com,paid,2026-01-01 10:00:00 +0100,EUR,30.00,1,Cup,10.00,C
#1,,,,,,2,Plate,10.00,P
#2,b@example.com,pending,,EUR,5.00,1,Fork,5.00,F
"""


def test_an_order_of_several_rows_is_one_purchase_with_all_its_items(tmp_path: Path) -> None:
    sheet, questions, reader, rows = understood(tmp_path, SHOPIFY)
    assert (sheet.kind, sheet.grouped, questions) == ("purchases", 0, [])
    fact = reader.from_rows(rows[:2])
    assert fact is not None
    expected = {
        "email": "a@example.com", "order_id": "#1", "amount": "30.00", "currency": "EUR",
        "occurred_at": "2026-01-01T09:00:00Z",
        "items": [{"sku": "C", "name": "Cup", "quantity": 1, "price": "10.00"}, {"sku": "P", "name": "Plate", "quantity": 2, "price": "10.00"}],
    }  # fmt: skip
    read = read_purchase(expected)
    who = replace(read.identity, order="#1")  # a refund names nothing else
    assert (fact.data, fact.identity, fact.time) == (replace(read.data, identity=who), who, read.time)
    assert fact.sender_id == "order:#1"
    assert reader.from_rows(rows[2:]) is None


def test_what_only_the_user_knows_is_asked_and_not_guessed(tmp_path: Path) -> None:
    content = "order_id;email;amount;date\n1;a@example.com;1.234;03/04/2026\n"
    _, questions, _, _ = understood(tmp_path, content)
    assert questions == ["--dates", "--decimal", "--currency"]
    _, questions, reader, rows = understood(tmp_path, content, dates="dmy", decimals="comma", currency="EUR")
    assert questions == []
    fact = reader.from_rows(rows)
    assert fact is not None
    assert msgspec.to_builtins(fact.data)["amount"] == "1234"
    assert fact.time == datetime(2026, 4, 3, tzinfo=UTC)


def test_a_later_row_decides_the_order_of_dates(tmp_path: Path) -> None:
    many = "".join(f"p{n}@example.com,03/04/2026\n" for n in range(900)) + "z@example.com,12/31/2026\n"
    sheet, questions, _, _ = understood(tmp_path, "email,created\n" + many)
    assert (sheet.dates, questions) == ("mdy", [])


def test_a_column_that_names_its_zone_is_read_in_it(tmp_path: Path) -> None:
    row = "a@example.com,2026-01-31 10:00\n"
    sheet, _, _, _ = understood(tmp_path, "email,Created (UTC)\n" + row, zone="Europe/Berlin")
    assert sheet.zone == "UTC"
    sheet, _, _, _ = understood(tmp_path, "email,Created\n" + row, zone="Europe/Berlin")
    assert sheet.zone == "Europe/Berlin"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen(tmp_path: Path, delimiter: str) -> None:
    content = "\n".join(delimiter.join(row) for row in (["email", "note"], ["a@example.com", "x y z"])) + "\n"
    sheet, _, _, _ = understood(tmp_path, content)
    assert [column.taken_as for column in sheet.columns] == ["email", "traits.note"]


def test_excels_word_for_the_delimiter_is_no_row(tmp_path: Path) -> None:
    sheet, _, _, rows = understood(tmp_path, "sep=;\r\nemail;a,b,c\r\nx@example.com;1,2,3\r\n")
    assert [column.name for column in sheet.columns] == ["email", "a,b,c"]
    assert rows == [["x@example.com", "1,2,3"]]


@pytest.mark.parametrize("content", ["", "\n\n", "a,b\n1,2\n", "order,total\n1,2\n", "[1]\n"])
def test_a_file_that_names_nobody_is_refused_as_a_whole(tmp_path: Path, content: str) -> None:
    with pytest.raises(NotUnderstood):
        understood(tmp_path, content)


def test_the_rows_own_id_or_else_what_it_says_names_the_event() -> None:
    columns = (Column("id", "row_id"), Column("email", "email"), Column("date", "occurred_at"), Column("x", "traits.x"))
    reader = SheetReader(Sheet("leads", columns), "/sources/import")

    def name(*row: str) -> str | None:
        fact = reader.from_rows([list(row)])
        assert fact is not None
        return fact.sender_id

    assert name("1", "a@example.com", "", "old") == name("1", "A@Example.com", "2026-01-01", "new")
    assert name("1", "a@example.com", "", "") != name("1", "b@example.com", "", "")  # another system's 1
    assert name("", "a@example.com", "", "x") == name("", " A@example.com", "", "x")
    assert name("", "a@example.com", "", "x") != name("", "a@example.com", "", "y")
    assert name("", "a@example.com", "2026-01-01", "x") != name("", "a@example.com", "2026-01-02", "x")  # fmt: skip
