"""What the field sends by HTTP, file by file (tests/field): each kind comes out right."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain.contact_points import number_in
from services.ingest.domain.forms.read import read_form
from services.ingest.domain.plain.leads import read_lead
from shared.events.types import LeadCaptured

FIELD = Path(__file__).parents[2] / "field"
LABELS = (FIELD / "form-labels.txt").read_text().splitlines()


def lines(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (FIELD / name).read_text().splitlines()]


def lead(form: dict[str, object], country: str | None = None) -> LeadCaptured:
    read = read_form(form, {}, name="f", country=country).data
    assert isinstance(read, LeadCaptured)
    return read


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("nesting", ["{}", "fields[{}]", "form_fields[{}][value]", "data[0][{}]", "{}[]", "{}[0]"])
def test_the_address_is_found_whatever_its_field_is_called_and_however_it_is_nested(label: str, nesting: str) -> None:
    read = lead({nesting.format(label): "ada@example.com", "message": "hi"})
    assert (read.identity.email, read.message) == ("ada@example.com", "hi")


@pytest.mark.parametrize("label", LABELS)
def test_so_it_is_in_json_as_builders_nest_it(label: str) -> None:
    for form in (
        {"fields": {label: "ada@example.com"}, "message": "hi"},
        {"fields": {label: {"value": "ada@example.com", "type": "x"}}, "message": "hi"},
        {"answers": [{"label": label, "value": "ada@example.com"}, {"label": "message", "value": "hi"}]},
        {"fields": [{"id": "f1", "title": label, "value": "ada@example.com"}], "message": "hi"},
        {"payload": {"data": {label: ["ada@example.com"]}}, "message": "hi"},
        {"submission": {"responses": [{"question": label, "answer": "ada@example.com"}]}, "message": "hi"},
    ):
        read = lead(dict(form))
        assert (read.identity.email, read.message) == ("ada@example.com", "hi"), form


@pytest.mark.parametrize("form", lines("callback.jsonl"), ids=str)
def test_a_number_is_read_as_it_is_dialled(form: dict[str, object]) -> None:
    assert lead(form).identity.phone == "+447700900123"


def test_a_number_as_at_home_is_of_the_country_of_the_source() -> None:
    assert lead({"phone": "07700 900123"}, "GB").identity.phone == "+447700900123"
    assert lead({"phone": "030 901820", "land": "DE"}, "GB").identity.phone == "+4930901820", (
        "the form's own goes first"
    )
    assert lead({"phone": "030 901820", "land": "Atlantis"}, "DE").identity.phone == "+4930901820"
    assert read_lead({"phone": "07700 900123"}, "GB").identity.phone == "+447700900123"
    assert number_in("1 / 2", "GB") is None
    assert number_in("", "GB") is None


@pytest.mark.parametrize("line", lines("names.jsonl"), ids=str)
def test_both_halves_of_a_name_are_kept_in_order(line: dict[str, Any]) -> None:
    assert lead(line["form"]).name == line["of"]
