"""Files of the field and what is right of each: every way in which people's sheets differ from ours."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.ingest.importing.reading import pieces
from services.ingest.importing.understanding import Question, Wishes, understand
from services.ingest.importing.work import Plan, Worker

FIELD = Path(__file__).parents[3] / "field"


@dataclass
class Imported:
    """What came of a file: events by type, reasons of refused rows, questions."""

    events: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    questions: tuple[Question, ...] = ()
    left_out: int = 0

    def by_email(self) -> dict[str, dict[str, Any]]:
        return {each["data"]["identity"]["email"].partition("@")[0]: each for each in self.events}


def imported(path: Path, **wishes: Any) -> Imported:
    found = understand(path, Wishes(**wishes))
    all_of_it = Imported(questions=found.questions)
    worker = Worker(Plan(found.sheet, found.shape, "/sources/import", b"key"))
    for piece in pieces(path, found.shape, offset=found.begins, line=found.line):
        worked = worker.work(piece)
        all_of_it.events += [msgspec.json.decode(value) for _, value in worked.messages]
        all_of_it.refused += [each.reason for each in worked.refused]
        all_of_it.left_out += worked.left_out
    return all_of_it


def test_names_de() -> None:
    (lead,) = imported(FIELD / "names-de.csv").events
    assert lead["data"]["name"] == "Anna Müller"


def test_polish_cp1250() -> None:
    found = imported(FIELD / "polish-cp1250.csv", zone="Europe/Warsaw")
    assert found.questions == ()
    assert [(each["data"]["name"], each["data"]["traits"], each["time"]) for each in found.events] == [
        ("Paweł Żółć", {"company": "Łódzkie Świece", "Miasto": "Łódź"}, "2026-11-20T09:00:00Z"),
        ("Żaneta Śliwińska", {"company": "Gęś i Spółka", "Miasto": "Gdańsk"}, "2026-11-21T10:30:00Z"),
    ]
    told = imported(FIELD / "polish-cp1250.csv", encoding="windows-1250", zone="Europe/Warsaw")
    assert told.events[0]["data"] == found.events[0]["data"]


def test_amounts() -> None:
    found = imported(FIELD / "amounts.csv")
    assert {each["data"]["order_id"]: each["data"]["amount"] for each in found.events} == {
        "A1": "1234.50", "A3": "1234.50", "A5": "123456.00", "A11": "99.90", "A13": "20",
    }  # fmt: skip
    assert found.refused == ["Total: must not be negative; send a refund instead"] * 2


@pytest.mark.parametrize("name", ["opted-out.csv", "opted-out-list-export.csv"])
def test_opted_out(name: str) -> None:
    found = imported(FIELD / name)
    assert found.events != []
    said = [each["data"].get("consent", {}).get("email", each["data"].get("given")) for each in found.events]
    assert said == [False] * len(said)
    assert {each["type"] for each in found.events} == {"lead.captured", "consent.changed"}


def test_excel_serial_dates() -> None:
    # By Excel's own count (1900 system, 1899-12-30 is day 0), in which 46023 is 2026-01-01.
    found = imported(FIELD / "excel-serial-dates.csv").by_email()
    assert {who: each["time"] for who, each in found.items()} == {
        "serial1": "2026-11-28T18:00:00Z", "serial2": "2026-11-29T00:00:00Z",
    }  # fmt: skip


def test_two_digit_years() -> None:
    found = imported(FIELD / "two-digit-years.csv").by_email()
    assert {who: each["time"][:10] for who, each in found.items()} == {"year97": "1997-05-23", "year26": "2026-11-27"}


def test_shopify_orders() -> None:
    found = imported(FIELD / "shopify-orders.csv")
    bought = {each["data"]["order_id"]: each["data"] for each in found.events if each["type"] == "purchase.completed"}
    # The ids are those of Shopify's webhooks, and the order itself is an identity: refunds name nothing else.
    assert {name: (data["amount"], data["identity"]["order"]) for name, data in bought.items()} == {
        "5550000002001": ("100.00", "5550000002001"), "5550000002002": ("200.00", "5550000002002"),
        "5550000002003": ("80.00", "5550000002003"),
    }  # fmt: skip
    assert [item["name"] for item in bought["5550000002001"]["items"]] == ["Lamp", "Bulb"]
    back = [each["data"] for each in found.events if each["type"] == "purchase.refunded"]
    assert [(data["order_id"], data["amount"]) for data in back] == [
        ("5550000002002", "150.00"), ("5550000002003", "80.00"),
    ]  # fmt: skip
    assert (found.refused, found.left_out) == ([], 0)


def test_stripe_payments() -> None:
    found = imported(FIELD / "stripe-payments.csv")
    assert [
        (each["type"], each["data"]["order_id"], each["data"]["amount"], each["time"]) for each in found.events
    ] == [
        ("purchase.completed", "pi_s1", "120.00", "2026-11-20T09:00:00Z"),
        ("purchase.completed", "pi_s2", "300.00", "2026-11-21T09:00:00Z"),
        ("purchase.refunded", "pi_s2", "250.00", "2026-11-25T09:00:00Z"),
        ("purchase.completed", "pi_s3", "50.00", "2026-11-22T09:00:00Z"),
        ("purchase.refunded", "pi_s3", "50.00", "2026-11-25T09:00:00Z"),
    ]


def sheet(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "sheet.csv"
    path.write_text(content, newline="")
    return path


def test_an_opt_out_counts_from_when_it_was_said(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        "Email,CONFIRM_TIME,UNSUB_TIME,Unsubscribed\n"
        "a@example.com,2025-03-01 08:00:00,2026-10-02 17:30:00,\nb@example.com,2025-03-01 08:00:00,,yes\nc@example.com,,,\n",
    )
    said = [each for each in imported(path).events if each["type"] == "consent.changed"]
    assert [(each["data"]["identity"]["email"], each["data"]["given"]) for each in said] == [
        ("a@example.com", False), ("b@example.com", False),
    ]  # fmt: skip
    assert said[0]["time"] == "2026-10-02T17:30:00Z"
    assert said[1]["time"] == said[1]["receivedtime"]
    again = [each["id"] for each in imported(path).events if each["type"] == "consent.changed"]
    assert again == [each["id"] for each in said]


def test_an_order_of_which_all_went_back_and_nothing_says_how_much_is_left_out(tmp_path: Path) -> None:
    found = imported(sheet(tmp_path, "Order ID,Email,Total,Currency,Status\n1,a@example.com,5.00,EUR,refunded\n"))
    assert (found.events, found.left_out) == ([], 1)
    wrong = imported(
        sheet(tmp_path, "Order ID,Email,Total,Currency,Status,Refunded\n1,a@example.com,5.00,EUR,paid,much\n")
    )
    assert wrong.refused == ["Refunded: must be an amount such as 129.90"]


@pytest.mark.parametrize(
    ("cell", "email", "others"),
    [
        ("a@example.com; b@example.com", "a@example.com", "b@example.com"),
        ("a@example.com, b@example.com,a@example.com", "a@example.com", "b@example.com"),
        ("a@example.com b@example.com", "a@example.com", "b@example.com"),
        ("a@example.com ::: b@example.com", "a@example.com", "b@example.com"),
        ("a@example.com / b@example.com", "a@example.com", "b@example.com"),
        ("a@example.com oder b@example.com", "a@example.com", "b@example.com"),
        ("Ada Lovelace <A@example.com>", "a@example.com", None),
        ("mailto:a@example.com", "a@example.com", None),
    ],
)
def test_of_several_addresses_the_first_is_the_contact(
    tmp_path: Path, cell: str, email: str, others: str | None
) -> None:
    (lead,) = imported(sheet(tmp_path, f'Email,Name\n"{cell}",Ada\n')).events
    assert (lead["data"]["identity"]["email"], lead["data"].get("traits", {}).get("other_emails")) == (email, others)


def test_an_address_with_a_blank_in_it_is_nobodys(tmp_path: Path) -> None:
    found = imported(sheet(tmp_path, "Email,Name\nfoo bar@example.com,Ada\n"))
    assert (found.events, len(found.refused)) == ([], 1)


@pytest.mark.parametrize(
    ("cell", "country", "phone"),
    [
        ("030 901820", "Deutschland", "+4930901820"), ("07700 900123", "United Kingdom", "+447700900123"),
        ("0044 7700 900123", "", "+447700900123"), ("+44 7700 900123; +49 30 901820", "", "+447700900123"),
        ("01 23 45 67 89 / 06 12 34 56 78", "FR", "+33123456789"), ("030 901820", "", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_at_home_where_home_is_known(
    tmp_path: Path, cell: str, country: str, phone: str | None
) -> None:
    (lead,) = imported(sheet(tmp_path, f"Email,Phone,Country\na@example.com,{cell},{country}\n")).events
    assert lead["data"]["identity"].get("phone") == phone
    assert lead["data"]["traits"]["phone_as_written"] == cell


@pytest.mark.parametrize(
    "footer",
    ["Total;;;;159.80;EUR", "Summe;;;;159,80 €;", ";;;Gesamtsumme;159.80;", ";;Grand Total;;;", "2 records;;;;;",
     "Generated By: Ann  11/29/2026 9:00;;;;;", "Copyright (c) 2000-2026 acme. All rights reserved.;;;;;",
     "Confidential Information - Do Not Distribute;;;;;", ";;;;;"],
)  # fmt: skip
@pytest.mark.parametrize("grouped", [False, True])
def test_a_line_of_totals_is_no_order_and_no_mistake(tmp_path: Path, footer: str, grouped: bool) -> None:
    item = "Item name" if grouped else "Remark"
    rows = "A1;a@example.com;2026-11-20;Lamp;59.80;EUR\nA2;b@example.com;2026-11-20;Sofa;100.00;EUR"
    found = imported(sheet(tmp_path, f"Order ID;Email;Date;{item};Total;Currency\n{rows}\n{footer}\n"))
    assert [(each["data"]["order_id"], len(each["data"].get("items", []))) for each in found.events] == [
        ("A1", int(grouped)), ("A2", int(grouped)),
    ]  # fmt: skip
    assert found.refused == []


def test_a_row_that_only_lacks_its_address_is_refused(tmp_path: Path) -> None:
    found = imported(sheet(tmp_path, "Email;Name;Company\n;Ada;Acme\n;Total;Acme\n"))
    assert (found.events, len(found.refused), found.left_out) == ([], 2, 0)
