"""A lead is read in two ways, described in a third and documented in a fourth: their fields and limits are the same."""

import re
from pathlib import Path
from typing import Any

import msgspec

from services.ingest.domain.plain.leads import LEAD_FIELDS, OWN_TRAITS
from services.ingest.domain.plain.typed_lead import _Consent, _Lead
from services.ingest.http.openapi_schemas import LEAD
from shared.events.types import Campaign, Consent, LeadCaptured

DOCS = Path(__file__).parents[4] / "docs" / "sending-events.md"
# What the event names another way than who sends it.
OF_THE_EVENT = {"identity", "human_likelihood", "likelihood_reasons"}
OF_THE_SENDER = {"email", "phone", "user_id", "anonymous_id", "occurred_at", "message_id", *OWN_TRAITS}


def longest(schema: Any) -> Any:
    """The limit of a text in a JSON Schema, of whichever alternative says one."""
    return next((each["maxLength"] for each in (schema, *schema.get("anyOf", ())) if "maxLength" in each), None)


def test_both_readers_and_the_openapi_document_know_the_same_fields() -> None:
    assert set(_Lead.__struct_fields__) == LEAD_FIELDS == set(LEAD["properties"])


def test_the_event_holds_every_one_of_them() -> None:
    assert set(LeadCaptured.__struct_fields__) - OF_THE_EVENT == LEAD_FIELDS - OF_THE_SENDER


def test_a_consent_has_the_same_fields_everywhere() -> None:
    documented = set(LEAD["properties"]["consent"]["properties"])
    assert set(_Consent.__struct_fields__) == set(Consent.__struct_fields__) == documented


def test_both_readers_and_the_openapi_document_have_the_same_limits() -> None:
    _, components = msgspec.json.schema_components([_Lead, _Consent])
    lead, consent = components["_Lead"]["properties"], components["_Consent"]["properties"]
    of_addresses = {"email", "phone"}  # these have rules of their own
    for ours, documented in ((lead, LEAD["properties"]), (consent, LEAD["properties"]["consent"]["properties"])):
        limits = {name: longest(field) for name, field in ours.items() if name not in of_addresses}
        assert limits == {name: longest(documented[name]) for name in limits}
    assert longest(lead["page"]) == 2000


def test_the_docs_name_every_field() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+)", text)) >= LEAD_FIELDS
    [campaign] = re.findall(r"^\| `campaign` \|.*$", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", campaign)) == {"campaign", *Campaign.__struct_fields__}
