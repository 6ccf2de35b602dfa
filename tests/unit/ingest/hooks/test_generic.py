import base64
import hashlib
import hmac
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.ingest.config.hooks import HookSettings
from services.ingest.config.sources import load_sources
from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.generic import HOOK, Rule, at_pointer, standard
from services.ingest.domain.hooks.hook import Incoming, Reading, Unverified
from shared.clock import utc_now
from shared.errors import ConfigurationError
from shared.events.types import Campaign
from tests.unit.ingest.hooks.cases import ANY_JSON, NOW, mangled

SECRETS = {"OLD": "old-secret", "NEW": "new-secret", "STANDARD": "whsec_" + base64.b64encode(b"k" * 24).decode()}
EVENTS = """
    events:
      - when: {/type: lead.created}
        type: lead.captured
        fields:
          email: /data/person/email
          name: /data/person/name
          interest: pricing
          campaign.source: /data/utm/source
          estimated_value.amount: /data/value
          estimated_value.currency: EUR
          seats: /data/seats
          occurred_at: /created
      - when: {/type: [order.paid, order.updated], /data/paid: true}
        type: purchase.completed
        fields: {email: /data/person/email, order_id: /data/order/0/no, amount: /data/total, currency: EUR}
      - when: {X-Event: call}
        type: contact.touched
        fields: {email: /data/person/email, who: ana, channel: phone, human: true, occurred_at: /created}
      - when: {/type: cost}
        type: cost.recorded
        fields: {amount: /data/total, currency: EUR, campaign: /data/utm/source}
"""
LEAD: dict[str, Any] = {
    "id": "evt-1",
    "type": "lead.created",
    "created": 1773136521,
    "data": {
        "person": {"email": "Ada@Example.com", "name": "Ada"},
        "utm": {"source": "google"},
        "value": 500,
        "seats": 12,
        "total": "129.90",
        "paid": True,
        "order": [{"no": 7}],
    },
}


def settings(
    folder: Path, signature: str, *, more: str = "", events: str = EVENTS, keys: str = "env:OLD, env:NEW"
) -> HookSettings:
    text = f"sources:\n  any:\n    kind: generic\n    secrets: [{keys}]\n    signature: {signature}\n{more}{events}"
    (folder / "sources.yaml").write_text(text)
    hook = load_sources(folder, environment=SECRETS, state=folder).by_name["any"].hook
    assert hook is not None
    return hook


def problems(folder: Path, signature: str, **options: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        settings(folder, signature, **options)
    return [str(each).removeprefix(f"{folder}/") for each in error.value.problems]


def verify(hook: HookSettings, headers: dict[str, str], content: bytes, now: datetime = NOW) -> None:
    HOOK.verify(Incoming(headers, content, "https://in.example.com/hooks/any", now), hook.secrets, hook.options)


def read(hook: HookSettings, document: Any, headers: dict[str, str] | None = None) -> Reading:
    content = json.dumps(document).encode()
    return HOOK.read(Incoming(headers or {}, content, "https://in.example.com/hooks/any", NOW), document, hook.options)


HMAC = "{header: X-Signature}"


@pytest.mark.parametrize("secret", ["old-secret", "new-secret"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sha=", "v1,"])
def test_the_usual_schemes_are_a_matter_of_writing(
    tmp_path: Path, secret: str, algorithm: str, encoding: str, prefix: str
) -> None:
    hook = settings(
        tmp_path, f"{{header: X-Signature, algorithm: {algorithm}, encoding: {encoding}, prefix: '{prefix}'}}"
    )
    made = hmac.new(secret.encode(), b"{}", getattr(hashlib, algorithm)).digest()
    given = prefix + (made.hex() if encoding == "hex" else base64.b64encode(made).decode())
    verify(hook, {"x-signature": given}, b"{}")
    for wrong in ("", "nonsense", given[:-1], given + "0", given.removeprefix(prefix) if prefix else "x" + given, "é"):
        with pytest.raises(Unverified):
            verify(hook, {"x-signature": wrong}, b"{}")
    for headers, content in (({}, b"{}"), ({"x-signature": given}, b"{ }")):
        with pytest.raises(Unverified):
            verify(hook, headers, content)


@pytest.mark.parametrize("unit", [1, 1000])
@pytest.mark.parametrize(("seconds", "fresh"), [(-61, False), (-59, True), (59, True), (61, False)])
def test_a_signed_time_makes_copies_worthless(tmp_path: Path, unit: int, seconds: int, fresh: bool) -> None:
    hook = settings(
        tmp_path,
        "{header: X-Signature, timestamp_header: X-Time, signed: '{id}:{timestamp}:{body}', tolerance_seconds: 60}",
        more="    id: X-Id\n",
    )
    stamp = str(int((NOW.timestamp() + seconds) * unit))
    headers = {"x-time": stamp, "x-id": "7"}
    made = hmac.new(b"new-secret", f"7:{stamp}:{{}}".encode(), hashlib.sha256).hexdigest()
    if fresh:
        verify(hook, headers | {"x-signature": made}, b"{}")
    else:
        with pytest.raises(Unverified, match="too far"):
            verify(hook, headers | {"x-signature": made}, b"{}")
    for name, value in (("x-id", "8"), ("x-time", str(int(stamp) + 1)), ("x-time", "")):
        with pytest.raises(Unverified):
            verify(hook, headers | {"x-signature": made, name: value}, b"{}")


def test_a_token_is_compared_whole(tmp_path: Path) -> None:
    hook = settings(tmp_path, "{scheme: token, header: Authorization, prefix: 'Bearer '}")
    verify(hook, {"authorization": "Bearer old-secret"}, b"{}")
    verify(hook, {"authorization": "Bearer new-secret"}, b"{}")
    for wrong in ("", "old-secret", "Bearer ", "Bearer old", "Bearer old-secret2", "Basic old-secret", "Bearer é"):
        with pytest.raises(Unverified):
            verify(hook, {"authorization": wrong}, b"{}")


def test_standard_webhooks_are_as_the_official_library_signs(tmp_path: Path) -> None:
    hook = settings(tmp_path, "{scheme: standard-webhooks}", keys="env:STANDARD")
    content, now = json.dumps(LEAD), utc_now()
    made = Webhook(SECRETS["STANDARD"]).sign("msg_1", now, content)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": f"v1,AAAA v1a,AAAA {made}",
    }
    verify(hook, headers, content.encode(), now)
    Webhook(SECRETS["STANDARD"]).verify(content, headers)
    assert read(hook, LEAD, headers).facts[0].sender_id == "msg_1"
    svix = settings(tmp_path, "{scheme: standard-webhooks, header: svix-signature}", keys="env:STANDARD")
    verify(svix, {name.replace("webhook", "svix"): value for name, value in headers.items()}, content.encode(), now)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2,AAAA"},
    ],
)
def test_what_the_official_library_refuses_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    hook = settings(tmp_path, "{scheme: standard-webhooks}", keys="env:STANDARD")
    now = utc_now()
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRETS["STANDARD"]).sign("msg_1", now, "{}"),
        **changed,
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS["STANDARD"]).verify("{}", headers)
    with pytest.raises(Unverified):
        verify(hook, headers, b"{}", now)


def test_the_specifications_own_example(tmp_path: Path) -> None:
    hook = settings(tmp_path, "{scheme: standard-webhooks}", keys="env:STANDARD")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    incoming = Incoming(
        headers, b'{"test": 2432232314}', "", datetime.fromtimestamp(1614265330, UTC) + timedelta(minutes=4)
    )
    HOOK.verify(incoming, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], hook.options)


def test_fields_are_found_where_the_mapping_says(tmp_path: Path) -> None:
    (fact,) = read(settings(tmp_path, HMAC, more="    id: /id\n"), LEAD).facts
    lead: Any = fact.data
    assert (fact.type, fact.sender_id, fact.identity.email) == ("lead.captured", "evt-1", "ada@example.com")
    assert fact.time == datetime(2026, 3, 10, 9, 55, 21, tzinfo=UTC)
    assert (lead.name, lead.interest, lead.campaign) == ("Ada", "pricing", Campaign(source="google"))
    assert (lead.estimated_value.amount, lead.estimated_value.currency) == ("500", "EUR")
    assert lead.traits == {"seats": 12}


@pytest.mark.parametrize("kind", ["order.paid", "order.updated"])
def test_an_order_is_one_purchase_whatever_tells_of_it(tmp_path: Path, kind: str) -> None:
    (fact,) = read(settings(tmp_path, HMAC, more="    id: /id\n"), {**LEAD, "id": kind, "type": kind}).facts
    data: Any = fact.data
    assert (fact.type, fact.sender_id) == ("purchase.completed", "order:7")
    assert (data.order_id, data.amount, data.currency) == ("7", "129.90", "EUR")


def test_a_header_can_decide_and_every_type_can_be_told(tmp_path: Path) -> None:
    hook = settings(tmp_path, HMAC)
    (touch,) = read(hook, {**LEAD, "type": "x"}, {"x-event": "call"}).facts
    data: Any = touch.data
    assert (touch.type, data.who, data.human, touch.identity.email) == (
        "contact.touched",
        "ana",
        True,
        "ada@example.com",
    )
    assert touch.time == datetime(2026, 3, 10, 9, 55, 21, tzinfo=UTC)
    (cost,) = read(hook, {**LEAD, "type": "cost"}).facts
    assert (cost.type, getattr(cost.data, "campaign", None)) == ("cost.recorded", "google")


def test_without_an_id_the_same_body_is_the_same_event(tmp_path: Path) -> None:
    hook = settings(tmp_path, HMAC)
    first, again, other = (
        read(hook, document).facts[0].sender_id for document in (LEAD, LEAD, {**LEAD, "id": "evt-2"})
    )
    assert first == again != other


@pytest.mark.parametrize(
    "changed", [{"type": "other"}, {"type": "order.paid", "data": {**LEAD["data"], "paid": False}}, {"type": None}]
)
def test_what_fits_no_rule_is_ignored(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert list(read(settings(tmp_path, HMAC), {**LEAD, **changed}).ignored) == ["unmapped"]


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"data": {"person": {}}}, ["/data/person/email", "/data/value"]),
        ({"data": {"person": {"email": "nobody"}, "value": "much"}}, ["/data/person/email", "/data/value"]),
        (
            {"type": "order.paid", "data": {"paid": True, "person": {"email": "a@example.com"}}},
            ["/data/order/0/no", "/data/total"],
        ),
        ({"type": "cost", "data": {"total": "much"}}, ["/data/total"]),
        ({"id": None}, ["/id"]),
        ({"id": {"a": 1}}, ["/id"]),
    ],
)
def test_every_wrong_field_is_named_where_it_stands_in_the_webhook(
    tmp_path: Path, changed: dict[str, Any], at: list[str]
) -> None:
    with pytest.raises(Refused) as refused:
        read(settings(tmp_path, HMAC, more="    id: /id\n"), {**LEAD, **changed})
    assert [wrong.at for wrong in refused.value.wrong] == at


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", {"a/b": [{"~": 1}]}),
        ("/a~1b/0/~0", 1),
        ("/a~1b/1", None),
        ("/a~1b/-1", None),
        ("/a~1b/0/~0/x", None),
        ("/x", None),
    ],
)
def test_json_pointers(pointer: str, found: Any) -> None:
    assert at_pointer({"a/b": [{"~": 1}]}, pointer) == found


@pytest.mark.parametrize(
    ("signature", "options", "expected"),
    [
        ("null", {}, "sources.yaml:2: sources.any: needs `signature:`, how its webhooks are signed"),
        (HMAC, {"events": ""}, "sources.yaml:2: sources.any: needs `events:`, what its webhooks are to us"),
        (HMAC, {"keys": ""}, "sources.yaml:2: sources.any: needs the sender's signing secret: `secrets: [env:NAME]`"),
        (HMAC, {"keys": "plain"}, "sources.yaml:4: sources.any.secrets.0: must be a reference, env:NAME or file:/path, never the secret"),
        (HMAC, {"more": "    options: {a: b}\n"}, "sources.yaml:6: sources.any.options: kind generic has none; see signature, id and events"),
        (HMAC, {"more": "    fields: {email: x}\n"}, "sources.yaml:6: sources.any.fields: kind generic has no form whose fields could be named"),
        ("{}", {}, "sources.yaml:5: sources.any.signature: needs `header:`, the header that holds it"),
        ("{header: 'X Y'}", {}, "sources.yaml:5: sources.any.signature.header: must be a header's name, or a JSON pointer such as /data/id"),
        ("{header: X, algorithm: sha1}", {}, "sources.yaml:5: sources.any.signature.algorithm: Input should be 'sha256' or 'sha512'"),
        ("{header: X, colour: red}", {}, "sources.yaml:5: sources.any.signature.colour: unknown key"),
        ("{header: X, signed: '{url}{body}'}", {}, "sources.yaml:5: sources.any.signature.signed: must hold {body} once, and else only {timestamp} and {id}"),
        ("{header: X, signed: '{timestamp}'}", {}, "sources.yaml:5: sources.any.signature.signed: must hold {body} once, and else only {timestamp} and {id}"),
        ("{header: X, signed: '{timestamp}.{body}'}", {}, "sources.yaml:5: sources.any.signature.signed: {timestamp} and `timestamp_header:` need each other"),
        ("{header: X, signed: '{id}.{body}'}", {"more": "    id: /id\n"}, "sources.yaml:5: sources.any.signature.signed: {id} needs `id:` to be a header's name"),
        ("{scheme: standard-webhooks}", {}, "sources.yaml:4: sources.any.secrets.0: must be a Standard Webhooks secret: whsec_ and base64"),
        ("{scheme: standard-webhooks, prefix: x}", {"keys": "env:STANDARD"}, "sources.yaml:5: sources.any.signature.prefix: is fixed by Standard Webhooks"),
        ("{scheme: standard-webhooks, header: x}", {"keys": "env:STANDARD"}, "sources.yaml:5: sources.any.signature.header: must end in -signature, as webhook-signature does"),
        (HMAC, {"events": "    events: [{type: lead.lost, fields: {email: /e}}]"}, "sources.yaml:6: sources.any.events.0.type: is not one of the types that are taken here; see docs/schemas"),
        (HMAC, {"events": "    events: [{type: followup.sent, fields: {email: /e}}]"}, "sources.yaml:6: sources.any.events.0.type: is not one of the types that are taken here; see docs/schemas"),
        (HMAC, {"events": "    events: [{type: lead.captured, fields: {name: /n}}]"}, "sources.yaml:6: sources.any.events.0.fields: needs one of email, phone, user_id or anonymous_id"),
        (HMAC, {"events": "    events: [{type: purchase.completed, fields: {email: /e, order_id: /o, currency: EUR}}]"}, "sources.yaml:6: sources.any.events.0.fields: needs amount"),
        (HMAC, {"events": "    events: [{type: feedback.given, fields: {email: /e, score: /s, colour: /c}}]"}, "sources.yaml:6: sources.any.events.0.fields.colour: is no field of feedback.given"),
        (HMAC, {"events": "    events: [{type: lead.captured, fields: {email: /e~2}}]"}, "sources.yaml:6: sources.any.events.0.fields.email: must be a JSON pointer such as /data/email, or a value"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_named_by_line_and_key(
    tmp_path: Path, signature: str, options: dict[str, str], expected: str
) -> None:
    assert expected in problems(tmp_path, signature, **options)


@given(document=ANY_JSON | mangled(LEAD, ANY_JSON))
def test_no_json_raises_anything_but_refused(document: Any) -> None:
    every = {"email": "/data/person/email", "a.b": "/data", "a": "/data/seats", "occurred_at": "/created"}
    for kind, fields in {
        "lead.captured": {**every, "campaign.source": "/data/utm", "campaign": "/data/utm", "traits.x": "/data"},
        "purchase.completed": {
            **every,
            "order_id": "/id",
            "amount": "/data/total",
            "currency": "EUR",
            "items": "/data/order",
        },
        "feedback.given": {"email": "/data/person/email", "score": "/data/seats", "occurred_at": "/created"},
        "engagement.recorded": {"phone": "/id", "kind": "/type", "properties": "/data", "campaign.source": "/type"},
    }.items():
        options = {"signature": None, "id": "/id", "events": (Rule(kind, {}, fields),)}
        with suppress(Refused):
            HOOK.read(Incoming({}, b"{}", "", NOW), document, options)


@given(given=st.text(), stamp=st.text())
def test_no_header_raises_anything_but_unverified(given: str, stamp: str) -> None:
    with pytest.raises(Unverified):
        HOOK.verify(
            Incoming({"webhook-id": given, "webhook-timestamp": stamp, "webhook-signature": given}, b"{}", "", NOW),
            [SECRETS["STANDARD"]],
            {"signature": standard("webhook-signature", 300)},
        )
