"""Files of the field and what is right of each: every way in which people's sheets differ from ours."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.ingest.importing.reading import pieces
from services.ingest.importing.understanding import Question, Wishes, understand
from services.ingest.importing.work import Plan, Worker

FIELD = Path(__file__).parents[2] / "field"


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
    assert {each["data"]["consent"]["email"] for each in found.events} == {False}


def test_excel_serial_dates() -> None:
    # By Excel's own count (1900 system, 1899-12-30 is day 0), in which 46023 is 2026-01-01.
    found = imported(FIELD / "excel-serial-dates.csv").by_email()
    assert {who: each["time"] for who, each in found.items()} == {
        "serial1": "2026-11-28T18:00:00Z", "serial2": "2026-11-29T00:00:00Z",
    }  # fmt: skip


def test_two_digit_years() -> None:
    found = imported(FIELD / "two-digit-years.csv").by_email()
    assert {who: each["time"][:10] for who, each in found.items()} == {"year97": "1997-05-23", "year26": "2026-11-27"}
