"""The quick way through a row comes to what the thorough one comes to, or leaves it to that."""

from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.plain.rows import PlainRows
from services.ingest.domain.sheets.columns import LEFT_OUT, Column, targets
from services.ingest.domain.sheets.opt_outs import SEVERAL
from services.ingest.domain.sheets.sheet import Sheet, SheetReader
from shared.events.identity import Identity
from shared.events.types import Campaign, LeadCaptured

TRAITS = ("traits.plan", "traits.company", "traits.email")
ANY_FIELD = st.sampled_from(
    [*targets("leads"), *TRAITS, LEFT_OUT, "campaign.unheard_of", "item.sku", f"traits.{'n' * 101}", "traits.a\0b"]
)
PLAIN_FIELD = st.sampled_from([*TRAITS, LEFT_OUT, *targets("leads")])
WORDS = st.text(max_size=6)
CELLS = {
    "email": ["ada@example.com", "none@none.com", " Grace@Example.com ", "nobody", "müller@example.com", '"odd"@example.com'],
    "phone": ["+44 1632 960961", "+1 555 555 5555", "030 12345", "+1", "n/a", "keine"],
    **{each: ["yes", "No", "true", "0", "subscribed", "Unsubscribed ", "550 gone", "2026-01-31"] for each in SEVERAL},
    "user_id": ["u-1", "undefined", "u" * 256, "u" * 257],
    "occurred_at": ["2026-01-31", "2026-01-31T10:00:00Z", "31.01.2026 10:00", "01/02/2026", "1769853600", "0001-01-01", "soon"],
    "row_id": ["7", " 7 ", "i" * 600],
    "message_id": ["m-1", "m" * 256, "m" * 257],
    "consent": ["yes", "No", "perhaps"],
    "estimated_value": ["1.234,50", "5 EUR"],
}  # fmt: skip
ANY_CELL = st.one_of(WORDS, st.sampled_from(["", " ", "\u00a0", "x" * 300, "x" * 501, "a\0b", "two\nlines"]))


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[Column], list[str]]:
    """Columns, half of the time such as may be read quickly, and cells of them."""
    unique = draw(st.booleans())
    taken = draw(st.lists(PLAIN_FIELD if unique else ANY_FIELD, max_size=8, unique=unique))
    taken = draw(st.permutations([*taken, "email"] if "email" not in taken else taken))
    row = [draw(st.one_of(st.sampled_from(CELLS[each]), ANY_CELL) if each in CELLS else ANY_CELL) for each in taken]
    return [Column(f"column {nth}", each) for nth, each in enumerate(taken)], row


def said(reader: SheetReader, row: list[str], *, quickly: bool) -> Fact | list[tuple[str, str]] | None:
    try:
        return reader.from_row(row) if quickly else reader.from_rows([row])
    except Refused as refused:
        return [(each.at, each.problem) for each in refused.wrong]


@settings(max_examples=500)
@given(rows(), st.sampled_from([None, "dmy", "mdy"]), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_a_row_read_quickly_is_the_same_fact_or_refused_for_the_same_reasons(
    drawn: tuple[list[Column], list[str]], dates: str | None, zone: str
) -> None:
    columns, row = drawn
    reader = SheetReader(Sheet("leads", tuple(columns), dates, zone=zone), "/sources/import")  # type: ignore[arg-type]
    assert said(reader, row, quickly=True) == said(reader, row, quickly=False)


def test_who_may_be_written_to_is_read_quickly() -> None:
    taken = ["email", "opted_out", "subscription", "agreed_email", "agreed_sms", "refused_phone"]
    reader = PlainRows([Column(name.title(), name) for name in taken], None, ZoneInfo("UTC"))
    for cells, email, sms, phone in (
        (["", "subscribed", "yes", "no", ""], True, False, None),
        (["false", "cleaned", "yes", "", "yes"], False, None, False),
        (["", "active", "", "", "no"], None, None, None),
    ):
        lead, _ = reader.read(["ada@example.com", *cells]) or (None, None)
        assert lead is not None
        said = (
            (None, None, None) if lead.consent is None else (lead.consent.email, lead.consent.sms, lead.consent.phone)
        )
        assert said == (email, sms, phone)


def test_the_rows_of_a_usual_export_are_read_quickly() -> None:
    names = [
        "row_id",
        "first_name",
        "last_name",
        "email",
        "company",
        "role",
        "campaign.source",
        "occurred_at",
        "message",
    ]
    names += ["traits.plan", LEFT_OUT]
    columns = [Column(name, name) for name in names]
    assert PlainRows.are_plain(columns)
    row = ["7", "Ada", "Lovelace", "Ada@example.com", "Engines", "", "fair", "31.01.2026", "two\nlines", " pro", "x"]
    lead, time = PlainRows(columns, "dmy", ZoneInfo("Europe/Berlin")).read(row) or (None, None)
    assert lead == LeadCaptured(
        identity=Identity(email="ada@example.com"),
        name="Ada Lovelace",
        campaign=Campaign(source="fair"),
        message="two\nlines",
        traits={"company": "Engines", "plan": " pro"},
    )
    assert time is not None
    assert time.isoformat() == "2026-01-30T23:00:00+00:00"
