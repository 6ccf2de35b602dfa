"""The envelope, the schemas in docs, and what can never be read."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Permanent
from shared.events.envelope import decode, encode, make_event
from shared.events.identity import Identity
from shared.events.schemas import schemas
from shared.events.types import EngagementRecorded, LeadCaptured
from shared.events.updates import decode_update
from shared.money import Money

NOW = datetime(2026, 1, 1, 10, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000001")
SCHEMAS = Path(__file__).parents[4] / "docs" / "schemas"


def a_lead(**changes: Any) -> bytes:
    data = LeadCaptured(identity=Identity(email="ada@example.com"), estimated_value=Money("500.00", "EUR"))
    parts: dict[str, Any] = {
        "id": ID, "source": "/sources/website", "type": "lead.captured", "time": NOW, "receivedtime": NOW,
        "subject": "email:ada@example.com", "data": data, "trust": "trusted",
    }  # fmt: skip
    return encode(make_event(**(parts | changes)))


def test_an_event_reads_back_the_same() -> None:
    event, data = decode(a_lead())
    assert (event.id, event.time, data.identity.email) == (ID, NOW, "ada@example.com")
    assert data.estimated_value.minor() == 50000


def test_an_event_is_cloudevents_in_json() -> None:
    assert json.loads(a_lead()) == {
        "specversion": "1.0",
        "id": str(ID),
        "source": "/sources/website",
        "type": "lead.captured",
        "time": "2026-01-01T10:00:00Z",
        "receivedtime": "2026-01-01T10:00:00Z",
        "subject": "email:ada@example.com",
        "data": {
            "identity": {"email": "ada@example.com"},
            "estimated_value": {"amount": "500.00", "currency": "EUR"},
        },
    }


def test_a_reader_ignores_what_a_newer_writer_adds() -> None:
    document = json.loads(a_lead())
    document["newer"] = document["data"]["newer"] = {"x": 1}
    assert decode(json.dumps(document).encode()).event.id == ID


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_permanently_none(value: bytes) -> None:
    for read in (decode, decode_update):
        with pytest.raises(Permanent):
            read(value)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "lead.exploded"},
        {"time": "2026-01-01T10:00:00"},
        {"id": "not-a-uuid"},
        {"data": {}},
        {"specversion": "2.0"},
        {"data": {"identity": {"email": 5}}},
    ],
)
def test_what_can_never_be_read_is_permanent_and_names_no_personal_data(change: dict[str, Any]) -> None:
    document = json.loads(a_lead()) | change
    with pytest.raises(Permanent) as caught:
        decode(json.dumps(document).encode())
    assert "ada" not in str(caught.value)


@pytest.mark.parametrize("name", schemas())
def test_the_schemas_in_docs_are_of_today(name: str) -> None:
    written = json.loads((SCHEMAS / name).read_text())
    assert written == schemas()[name], "run `python -m shared.events.schemas`"
    jsonschema.Draft202012Validator.check_schema(written)


def test_an_event_is_valid_by_its_schema_and_a_wrong_one_is_not() -> None:
    lead = jsonschema.Draft202012Validator(schemas()["lead.captured.json"])
    lead.validate(json.loads(a_lead()))
    page_view = EngagementRecorded(identity=Identity(anonymous_id="a"), kind="page_viewed")
    other = json.loads(a_lead(type="engagement.recorded", data=page_view))
    assert list(lead.iter_errors(other))
    jsonschema.Draft202012Validator(schemas()["engagement.recorded.json"]).validate(other)
