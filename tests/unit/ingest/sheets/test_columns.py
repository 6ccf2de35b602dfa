"""Sheets of many countries and programs: which column is what, and what a cell means."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.sheets import cells, choices
from services.ingest.domain.sheets.columns import LEFT_OUT, NotUnderstood, guess_columns, guess_kind, read_map

EXPORTS = {
    "hubspot": (
        "Record ID,First Name,Last Name,Email,Phone Number,Create Date,Company Name,Job Title,Country/Region,Lifecycle Stage",
        "leads",
        "row_id,first_name,last_name,email,phone,occurred_at,company,role,country,traits.Lifecycle Stage",
    ),
    "mailchimp": (
        "Email Address,First Name,Last Name,Phone Number,MEMBER_RATING,OPTIN_TIME,LEID,TAGS",
        "leads",
        "email,first_name,last_name,phone,traits.MEMBER_RATING,occurred_at,row_id,traits.TAGS",
    ),
    "salesforce": (
        "Lead ID,First Name,Last Name,Title,Company / Account,Email,Phone,Lead Source,Created Date,Lead Status",
        "leads",
        "row_id,first_name,last_name,role,company,email,phone,campaign.source,occurred_at,traits.Lead Status",
    ),
    "shopify": (
        "Name,Email,Financial Status,Paid at,Currency,Subtotal,Total,Discount Code,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Billing Name,Id,Created at",
        "purchases",
        "order_name,email,status,occurred_at,currency,-,amount,coupon,item.quantity,item.name,item.price,item.sku,-,order_id,-",
    ),
    "woocommerce": (
        "Order Number,Order Status,Order Date,Email (Billing),Order Total Amount,Order Currency,Coupon Code,SKU,Quantity,Item Name,Item Cost",
        "purchases",
        "order_id,status,occurred_at,email,amount,currency,coupon,item.sku,item.quantity,item.name,item.price",
    ),
    "shopify customers": (
        "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,Default Address Country Code,Default Address Phone,Phone",
        "leads",
        "user_id,first_name,last_name,email,consent,company,country,traits.Default Address Phone,phone",
    ),
    "pipedrive people": (
        "Person - ID,Person - Name,Person - Organization,Person - Email - Work,Person - Email - Home,Person - Phone - Work,Person - Person created,Person - Marketing status",
        "leads",
        "row_id,name,company,email,traits.Person - Email - Home,phone,occurred_at,consent",
    ),
    "pipedrive leads": (
        "Lead - Title,Lead - Value,Lead - Currency of Value,Lead - Lead created,Lead - Contact person,Person - Email,Person - Phone,Lead - Source",
        "leads",
        "traits.Lead - Title,estimated_value,currency,occurred_at,name,email,phone,campaign.source",
    ),
    "stripe customers": (
        "id,Description,Email,Name,Created (UTC),Delinquent", "leads",
        "row_id,traits.Description,email,name,occurred_at,traits.Delinquent",
    ),
    "meta": (
        "id,created_time,ad_id,campaign_name,form_name,platform,email,full_name,phone_number", "leads",
        "row_id,occurred_at,traits.ad_id,campaign.name,form,traits.platform,email,name,phone",
    ),
    "linkedin": ("First Name,Last Name,URL,Email Address,Company,Position,Connected On", "leads",
                 "first_name,last_name,traits.URL,email,company,role,occurred_at"),
    "paypal": (
        "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID",
        "purchases", "occurred_at,occurred_time,occurred_zone,-,type,status,currency,amount,-,-,email,-,order_id",
    ),
    "outlook": ("First Name,Last Name,Company,Job Title,Business Phone,Mobile Phone,E-mail Address", "leads",
                "first_name,last_name,company,role,traits.Business Phone,phone,email"),
    "stripe": (
        "id,Description,Created (UTC),Amount,Amount Refunded,Currency,Customer ID,Customer Email,Status",
        "purchases",
        "order_id,-,occurred_at,amount,refunded,currency,user_id,email,status",
    ),
    "german": ("Vorname;Nachname;E-Mail-Adresse *;Telefon;Firma;Anzahl Mitarbeiter;Erstellt am", "leads",
               "first_name,last_name,email,phone,company,size,occurred_at"),
    "french": ("Prénom;Nom de famille;Courriel;Téléphone;Société;Pays", "leads",
               "first_name,last_name,email,phone,company,country"),
    "german orders": ("Bestellnummer;Kunden-E-Mail;Gesamtbetrag;Währung;Bestelldatum", "purchases",
                      "order_id,email,amount,currency,occurred_at"),
    "our own": ("email,phone,user_id,campaign.source,utm_medium,estimated_value,currency,occurred_at,message_id", "leads",
                "email,phone,user_id,campaign.source,campaign.medium,estimated_value,currency,occurred_at,message_id"),
    "refused": ("refused_line,refused_reason,email,plan", "leads", "-,-,email,traits.plan"),
}  # fmt: skip


@pytest.mark.parametrize("export", EXPORTS)
def test_the_columns_of_usual_exports_are_known(export: str) -> None:
    header, kind, expected = EXPORTS[export]
    names = header.split(";" if ";" in header else ",")
    assert guess_kind(names) == kind
    assert [column.taken_as for column in guess_columns(guess_kind(names), names, [])] == expected.split(",")


def test_a_column_full_of_addresses_is_the_email_whatever_it_is_called() -> None:
    rows = [["yes", f"p{n}@example.com", "+44 1632 960961"] for n in range(5)] + [["no", "", ""]]
    columns = guess_columns("leads", ["Email", "Kontakt", "Nr"], rows)
    assert [column.taken_as for column in columns] == ["traits.Email", "email", "phone"]


def test_what_the_user_says_goes_before() -> None:
    names = ["Email", "Second", "Total paid", "Odd, name"]
    told = read_map(['email=Second,traits.spent="Total paid"', "-Email"], "leads", names)
    columns = guess_columns("leads", names, [], told)
    assert [column.taken_as for column in columns] == [LEFT_OUT, "email", "traits.spent", "traits.Odd, name"]
    assert read_map(['name="Odd, name"'], "leads", names) == {"Odd, name": "name"}


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("email=Nowhere", "Nowhere"),
        ("amount=Email", "amount"),
        ("Email", "Email"),
        ("email=", "''"),
        ('email="x', "--map"),
    ],
)
def test_a_map_that_does_not_fit_is_named(said: str, named: str) -> None:
    with pytest.raises(NotUnderstood, match=named):
        read_map([said], "leads", ["Email"])


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=8),
    st.lists(st.lists(st.text(max_size=8), max_size=9), max_size=5),
)
def test_every_column_is_something_and_no_field_is_two_columns(names: list[str], rows: list[list[str]]) -> None:
    for kind in ("leads", "purchases"):
        columns = guess_columns(kind, names, rows)
        assert [column.name for column in columns] == names
        ours = [c.taken_as for c in columns if c.taken_as != LEFT_OUT and not c.taken_as.startswith("traits.")]
        assert len(ours) == len(set(ours))


BERLIN = ZoneInfo("Europe/Berlin")
DATETIMES = st.datetimes(datetime(1980, 1, 1), datetime(2060, 1, 1))  # noqa: DTZ001 - as written, without a zone
MOMENTS = [
    ("2026-01-31", None, "2026-01-30T23:00"), ("2026-07-31 10:00", None, "2026-07-31T08:00"),
    ("2026-01-31T10:00:00Z", None, "2026-01-31T10:00"), ("2026-01-31 10:00:00 +0100", None, "2026-01-31T09:00"),
    ("2026-01-31 10:00:00 UTC", None, "2026-01-31T10:00"), ("31.01.2026", None, "2026-01-30T23:00"),
    ("1.2.26 8:05", None, "2026-02-01T07:05"), ("31/01/2026 10:00", "dmy", "2026-01-31T09:00"),
    ("1/31/2026, 3:04 PM", "mdy", "2026-01-31T14:04"), ("1/31/2026 12:30 am", "mdy", "2026-01-30T23:30"),
    ("01/02/2026", "dmy", "2026-01-31T23:00"), ("01/02/2026", "mdy", "2026-01-01T23:00"), ("01/02/2026", None, None),
    ("1769853600", None, "2026-01-31T10:00"), ("1769853600000", None, "2026-01-31T10:00"), ("20260131", None, None),
    ("2026/01/31 10:00", None, "2026-01-31T09:00"), ("31-01-2026", "dmy", "2026-01-30T23:00"),
    ("13/13/2026", "dmy", None), ("25/01/2026", "mdy", None), ("31.02.2026", None, None), ("soon", None, None),
    ("31 Jan 2026", None, "2026-01-30T23:00"), ("Jan. 31st, 2026 at 3:04 pm", "dmy", "2026-01-31T14:04"),
    ("31. März 2026 10:00", "mdy", "2026-03-31T08:00"), ("31-Dez-2026", None, "2026-12-30T23:00"),
    ("31 Foo 2026", None, None), ("31 Feb 2026", None, None), ("Mai 2026", None, None),
    ("46354.75", None, "2026-11-28T17:00"), ("46355", None, "2026-11-28T23:00"), ("46354,75", "dmy", "2026-11-28T17:00"),
    ("25569", None, "1969-12-31T23:00"),
    ("05/23/97", "mdy", "1997-05-22T22:00"), ("11/27/26", "mdy", "2026-11-26T23:00"), ("31.12.30", None, "1930-12-30T23:00"),
    ("10:00", None, None), ("12", None, None), ("1/1/1", "dmy", None), ("1/31/2026 13:00 PM", "mdy", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "order", "expected"), MOMENTS)
def test_dates_are_read_as_people_write_them(text: str, order: choices.DateOrder | None, expected: str | None) -> None:
    found = cells.moment(text, order, BERLIN)
    assert (None if found is None else found.isoformat()[:16]) == expected


@given(DATETIMES, st.sampled_from(["%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d-%m-%Y %I:%M:%S %p"]))  # fmt: skip
def test_a_written_moment_is_read_as_it_was(moment: datetime, form: str) -> None:
    whole = moment.replace(microsecond=0)
    assert cells.moment(whole.strftime(form), "dmy", UTC) == whole.replace(tzinfo=UTC)


@given(st.text())
def test_no_cell_breaks_the_reading(text: str) -> None:
    cells.moment(text, "dmy", BERLIN)
    cells.amount(text, "comma")
    cells.date_orders([text])
    cells.decimals_of([text])


AMOUNTS = [
    ("1.234,50", "comma", "1234.50"), ("1,234.50 €", "point", "1234.50"), ("EUR 12", "point", "12"), ("$5", "point", "5"),
    ("1'234.50", "point", "1234.50"), ("-3,5", "comma", "-3.5"), ("1 234 567,8", "comma", "1234567.8"), ("1.2.3", "point", None),
    ("CHF 1\u2019234.50", "point", "1234.50"), ("kr 1 234.50", "point", "1234.50"), ("1,23,456.00", "point", "123456.00"),
    ("(29.90)", "point", "-29.90"), ("29.90-", "point", "-29.90"), ("99.90 zł", "point", "99.90"), ("20.\u2013", "point", "20"),
    ("20,--", "comma", "20"), ("\u22125", "point", "-5"), ("R$ 1.234,50", "comma", "1234.50"), ("5 Kč", "comma", "5"),
    ("€-5", "point", "-5"), ("1 234,50 kr.", "comma", "1234.50"), ("US$5", "point", "5"), ("12,34,567", "point", "1234567"),
    ("5k", "point", None), ("10 Mio", "point", None), ("1.2M", "point", None), ("12 34", "point", None), ("(-5)", "point", None),
    ("1,2,345", "point", None), ("1,23,45", "point", None), ("5 6 7", "point", None), ("5%", "point", None), ("5#", "point", None),
    ("Rp 1.234,50", "comma", "1234.50"), ("NT$99,999.99", "point", "99999.99"), ("\u200f1,234.50\u00a0\u20aa", "point", "1234.50"),
    ("1\u202f234,50 FCFA", "comma", "1234.50"),
    ("12,34", "point", None), ("1.23,4", "comma", None), ("abc", "point", None), ("", "point", None), ("5.", "point", "5"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "decimals", "expected"), AMOUNTS)
def test_amounts_are_read_as_people_write_them(text: str, decimals: choices.Decimals, expected: str | None) -> None:
    assert cells.amount(text, decimals) == expected


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from(["point", "comma"]))
def test_a_written_amount_is_read_as_it_was(number: Decimal, decimals: choices.Decimals) -> None:
    written = f"{number:,.2f}" if decimals == "point" else f"{number:,.2f}".translate(str.maketrans(",.", ".,"))
    assert Decimal(cells.amount(written, decimals) or "none") == number
    assert cells.decimals_of([written])[1] == {decimals}


def test_what_may_be_read_in_two_ways_is_known_to_be_so() -> None:
    assert cells.date_orders(["01/02/2026", "03/03/2026"]) == (True, frozenset())
    assert cells.date_orders(["01/02/2026", "13/02/2026"]) == (True, frozenset({"dmy"}))
    assert cells.date_orders(["2026-01-02", "01.02.2026", "03/03/2026"]) == (False, frozenset())
    assert cells.decimals_of(["1.234", "7"]) == (True, frozenset())
    assert cells.decimals_of(["1.234", "7,50"]) == (True, frozenset({"comma"}))
