"""Nobody takes an id before its owner comes, and nobody names what only we can name."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from services.ingest.domain.hooks.senders import shopify
from tests.malformed.target import Record, Target
from tests.security.conftest import SIGNING_SECRET

_NUMBERS = count(1)


def ours(target: Target, email: str) -> str:
    answer = target.post("/v1/leads", {"email": email, "message_id": "form-123"}, "SHOP")
    assert answer.status == 202
    return str(answer.json["id"])


def test_a_known_message_id_is_taken_from_nobody_by_who_comes_first(target: Target) -> None:
    """`message_id=form-123` by the keyless form made the site's own lead with that id a "duplicate"."""
    victim = f"ids-{next(_NUMBERS)}@example.com"
    lead = {"email": victim, "message_id": "form-123"}
    ways: list[Callable[[dict[str, str]], Any]] = [
        lambda lead: target.form("website", lead),
        lambda lead: target.post("/v1/leads", lead, "WEBSITE"),
        lambda lead: target.post("/v1/leads", lead, "PAGE"),
        lambda lead: target.post("/v1/leads", lead, "APP"),
        lambda lead: target.post("/v1/leads", lead, "APP", Origin="https://evil.example"),
        lambda lead: target.post("/v1/leads", lead, "SHOP"),
    ]
    ids = [send(lead).json["id"] for send in ways]
    assert len(set(ids)) == len(ways), "each way in has ids of its own"
    assert [send(lead).json["id"] for send in ways] == ids, "and a resend is the same event"
    others = [send(lead | {"email": "attacker@example.com"}).json["id"] for send in ways[:3]]
    assert not {*others} & {*ids}, "also of two strangers, none takes the other's"


def test_an_idempotency_key_neither(target: Target) -> None:
    lead = {"email": f"ids-{next(_NUMBERS)}@example.com"}
    same = {"Idempotency-Key": "order-7"}
    ids = [target.post("/v1/leads", lead, key, **same).json["id"] for key in ("WEBSITE", "PAGE", "APP", "SHOP")]
    assert len({*ids, target.form("website", lead, **same).json["id"]}) == len(ids) + 1
    assert target.post("/v1/leads", lead, "SHOP", **same).json["id"] == ids[-1]


def refund(target: Target, order: int) -> None:
    now = datetime.now(UTC).isoformat()
    body = json.dumps({
        "id": order + 1, "order_id": order, "created_at": now, "processed_at": now,
        "transactions": [{"kind": "refund", "status": "success", "amount": "1000.00", "currency": "EUR"}],
    }).encode()  # fmt: skip
    signature = base64.b64encode(hmac.digest(SIGNING_SECRET.encode(), body, hashlib.sha256)).decode()
    headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Topic": "refunds/create"}
    assert target.request("POST", "/hooks/store", body, headers).status == 200


def test_a_refund_goes_to_nobody_who_only_knows_the_order_s_number(target: Target) -> None:
    """`anonymous_id=shopify-order:<id>` by a form drew a 1,000 € refund to the attacker's contact."""
    assert shopify.HOOK.kind == "shopify"
    order = 820982911946154508
    for device in (f"shopify-order:{order}", f"order:/sources/store:{order}", f"/sources/store:{order}"):
        assert target.form("website", {"anonymous_id": device, "message": "mine"}).status == 202
        assert target.post("/v1/page", {"anonymousId": device}, "PAGE").status == 200
        assert target.post("/v1/leads", {"anonymous_id": device}, "SHOP").status == 202
    refund(target, order)

    def about(records: list[Record]) -> list[Record]:
        return [record for record in records if str(order).encode() in record.value]

    records = about(target.arrivals.wait_for(lambda records: len(about(records)) >= 10))
    by_type = {record.event["type"]: record.event["subject"] for record in records}
    assert by_type["purchase.refunded"] == f"order:/sources/store:{order}"
    others = {record.event["subject"] for record in records if record.event["type"] != "purchase.refunded"}
    assert by_type["purchase.refunded"] not in others
    assert len(others) == 9, "nor is the same word of two sources, or of anybody and a server, one person"


def test_no_way_in_takes_an_order_s_identity_from_outside(target: Target) -> None:
    fact = {"specversion": "1.0", "id": "o-1", "source": "/x", "type": "engagement.recorded",
            "data": {"identity": {"email": "smuggler@example.com", "order": "777"}, "kind": "x"}}  # fmt: skip
    assert target.post("/v1/events", fact, "SHOP").status == 202
    assert target.post("/v1/leads", {"email": "smuggler@example.com", "order": "777"}, "SHOP").status == 202

    def about(records: list[Record]) -> list[Record]:
        return [record for record in records if b"smuggler" in record.value]

    for record in about(target.arrivals.wait_for(lambda records: len(about(records)) >= 2)):
        assert "order" not in record.event["data"]["identity"]
