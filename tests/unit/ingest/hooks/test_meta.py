import copy
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import ToFetch, Unverified
from services.ingest.domain.hooks.senders.meta import HOOK, read_meta_lead
from shared.events.types import Campaign
from tests.unit.ingest.hooks.cases import ANY_JSON, body, incoming, mangled, read, wrong_in

BODY = body("meta", "leadgen")
DOCUMENT: dict[str, Any] = json.loads(BODY)
ANSWER: dict[str, Any] = json.loads(body("meta", "graph_answer"))
SECRETS = ["old-secret", "new-secret"]
CREATED = datetime(2026, 3, 10, 11, 55, 21, tzinfo=UTC)
LEAD = ToFetch("123123123123", form_id="12312312312", page_id="153125381133", ad_id="12312312399", created=CREATED)


def sign(content: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def with_ids(*ids: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    changes = [{"field": "leadgen", "value": {"leadgen_id": each}} for each in ids]
    document["entry"][0]["changes"] = changes
    return document


def test_a_webhook_names_the_leads_to_fetch() -> None:
    reading = read(HOOK, BODY)
    assert reading.fetch == (LEAD,)
    assert (reading.facts, reading.ignored) == ((), ("feed",))


def test_the_same_lead_twice_is_fetched_once() -> None:
    assert [each.lead_id for each in read(HOOK, with_ids("1", 1, "2")).fetch] == ["1", "2"]


@pytest.mark.parametrize("identifier", [None, "", "me", "1/../2", "1?fields=x", "-1", "²", "1" * 33, 1.5, True, ["1"]])
def test_an_id_that_is_no_number_is_refused(identifier: Any) -> None:
    with pytest.raises(Refused) as refused:
        read(HOOK, with_ids(identifier))
    assert [wrong.at for wrong in refused.value.wrong] == ["/entry/0/changes/0/value/leadgen_id"]


def test_an_id_that_is_no_number_costs_no_lead_beside_it() -> None:
    reading = read(HOOK, with_ids("me", "7"))
    assert [each.lead_id for each in reading.fetch] == ["7"]
    assert reading.ignored == ("leadgen:unreadable",)


def test_the_answer_of_graph_is_a_lead() -> None:
    fact = read_meta_lead(ANSWER, LEAD)
    assert (fact.type, fact.sender_id, fact.time) == ("lead.captured", "123123123123", CREATED)
    lead: Any = fact.data
    assert (lead.identity.email, lead.identity.phone) == ("ada@example.com", "+441632960961")
    assert (lead.name, lead.form) == ("Ada Lovelace", "12312312312")
    assert lead.campaign == Campaign(source="instagram", medium="paid", name="Spring", content="Engines, blue")
    assert lead.traits == {
        "company": "Analytical Engines",
        "what_do_you_need?": "engine, training",
        "meta_ad_id": "12312312399",
        "meta_ad_name": "Engines, blue",
        "meta_adset_id": "555",
        "meta_adset_name": "Engineers",
        "meta_campaign_id": "777",
        "meta_platform": "ig",
        "phone_as_written": "+441632960961",
    }


def test_without_permission_for_ads_the_lead_is_there_all_the_same() -> None:
    answer = {"field_data": [{"name": "email", "values": ["ada@example.com"]}], "is_organic": True}
    fact = read_meta_lead(answer, LEAD)
    lead: Any = fact.data
    assert (fact.time, lead.form) == (CREATED, "12312312312")
    assert lead.campaign == Campaign(source="facebook", medium="organic")


def test_a_forms_own_tracking_parameters_go_first() -> None:
    data = [{"name": "email", "values": ["ada@example.com"]}, {"name": "utm_source", "values": ["partner"]}]
    lead: Any = read_meta_lead({**ANSWER, "field_data": data}, LEAD).data
    assert (lead.campaign.source, lead.campaign.name) == ("partner", "Spring")


def test_an_answer_with_nobody_in_it_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        read_meta_lead({"id": "1"}, LEAD)
    assert [wrong.at for wrong in refused.value.wrong] == ["/field_data"]


def test_a_question_of_ones_own_can_be_mapped() -> None:
    lead: Any = read_meta_lead(ANSWER, LEAD, {"fields": {"interest": "what_do_you_need?"}}).data
    assert lead.interest == "engine, training"


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_opens(secret: str) -> None:
    HOOK.verify(incoming(BODY, x_hub_signature_256=sign(BODY, secret)), SECRETS, {})


@pytest.mark.parametrize(
    ("secret", "content", "signature"),
    [
        # RFC 4231, test case 2
        ("Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        # GitHub's documentation of the same header
        ("It's a Secret to Everybody", b"Hello, World!", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
    ],
)  # fmt: skip
def test_published_signatures_open(secret: str, content: bytes, signature: str) -> None:
    HOOK.verify(incoming(content, x_hub_signature_256=f"sha256={signature}"), [secret], {})


@pytest.mark.parametrize(
    "signature",
    [None, "", "sha256=", sign(BODY, "wrong"), sign(BODY + b" ", "new-secret"), sign(BODY, "new-secret")[7:], "é"],
)
def test_nothing_else_opens(signature: str | None) -> None:
    headers = {} if signature is None else {"x_hub_signature_256": signature}
    with pytest.raises(Unverified):
        HOOK.verify(incoming(BODY, **headers), SECRETS, {})


@given(ANY_JSON | mangled(DOCUMENT, ANY_JSON))
def test_whatever_comes_is_read_or_refused(document: Any) -> None:
    assert all(wrong.at.startswith("/") for wrong in wrong_in(HOOK, document))


@given(mangled(ANSWER, ANY_JSON))
def test_whatever_graph_answers_is_read_or_refused(answer: Any) -> None:
    try:
        fact = read_meta_lead(answer if isinstance(answer, dict) else {}, LEAD)
    except Refused:
        return
    assert fact.sender_id == LEAD.lead_id
