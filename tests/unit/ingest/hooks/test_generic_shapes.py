"""What senders of kind generic really send: forms, lists of events, filters, challenges, secrets in the URL."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.config.sources import load_sources
from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.body import parse_form
from services.ingest.domain.forms.shape import unflat
from services.ingest.domain.hooks.generic import HOOK, at_pointer
from services.ingest.domain.hooks.hook import Incoming, Reading, Unverified
from shared.errors import ConfigurationError
from tests.unit.ingest.hooks.cases import ANY_JSON, NOW

FIELD = Path(__file__).parents[3] / "field"
LIST = """
    signature: {scheme: token, path: true}
    events:
      - when: {/type: unsubscribe}
        type: consent.changed
        fields: {email: /data/email, channel: email, given: false, proof: /data/action, occurred_at: /fired_at}
      - when: {/type: subscribe}
        type: consent.changed
        fields: {email: /data/email, channel: email, given: /data/opt, purpose: newsletter}
"""


def options(tmp_path: Path, text: str) -> dict[str, Any]:
    """The options of a source of kind generic, as sources.yaml says them."""
    (tmp_path / "sources.yaml").write_text(f"sources:\n  x:\n    kind: generic\n    secrets: [env:KEY]\n{text}")
    hook = load_sources(tmp_path, environment={"KEY": "s3cret"}, state=tmp_path).by_name["x"].hook
    assert hook is not None
    return dict(hook.options)


def read(tmp_path: Path, text: str, document: Any, **headers: str) -> Reading:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = msgspec.json.encode(document)
    return HOOK.read(Incoming(named, body, "https://in.example.com/hooks/x", NOW), document, options(tmp_path, text))


def test_a_form_of_a_list_provider_is_an_unsubscribe(tmp_path: Path) -> None:
    body = unflat(parse_form((FIELD / "list-provider-unsubscribe.urlencoded").read_bytes().strip()))
    (fact,) = read(tmp_path, LIST, body).facts
    said: Any = fact.data
    assert (fact.type, fact.identity.email, said.given, said.proof) == (
        "consent.changed",
        "mc.field@example.com",
        False,
        "unsub",
    )
    assert fact.time is not None
    assert fact.time.isoformat() == "2026-11-29T01:00:00+00:00", "a time without a zone is UTC"
    (back,) = read(tmp_path, LIST, {"type": "subscribe", "data": {"email": "a@example.com", "opt": "true"}}).facts
    assert (back.data.given, back.data.purpose) == (True, "newsletter")  # type: ignore[attr-defined]


def test_names_of_a_form_are_an_object() -> None:
    body = b"a=1&b[c][d]=2&b[e]=3&list[]=x&list[]=y&payload=%7B%22id%22%3A7%7D&events=%5B1%5D&b=lost&odd[=4"
    assert unflat(parse_form(body)) == {
        "a": "1", "b": {"c": {"d": "2"}, "e": "3"}, "list": ["x", "y"], "payload": {"id": 7}, "events": [1], "odd": "4",
    }  # fmt: skip


def test_what_cannot_be_read_is_refused_and_what_is_of_another_kind_ignored(tmp_path: Path) -> None:
    assert list(read(tmp_path, LIST, {"type": "campaign"}).ignored) == ["unmapped"]
    for unreadable in ({}, {"kind": "unsubscribe"}, None, "unsubscribe", {"data": {"email": "a@example.com"}}):
        with pytest.raises(Refused) as refused:
            read(tmp_path, LIST, unreadable)
        assert refused.value.wrong[0].at == "/type"
    with pytest.raises(Refused) as nobody:
        read(tmp_path, LIST, {"type": "unsubscribe", "data": {}})
    assert nobody.value.wrong[0].at == "/data/email"


EVENTS = """
    signature: {header: x}
    id: /id
    each: /body/events
    events:
      - when: {/event: bounce}
        type: consent.changed
        fields: {email: "/to/[kind=main]/address", channel: email, given: false, proof: bounce}
"""


def test_of_several_events_in_one_body_each_is_read(tmp_path: Path) -> None:
    to = [{"kind": "cc", "address": "cc@example.com"}, {"kind": "main", "address": "a@example.com"}]
    events = [
        {"id": 1, "event": "bounce", "to": to},
        {"id": 2, "event": "open"},
        {"id": 3, "event": "bounce", "to": []},
    ]
    reading = read(tmp_path, EVENTS, {"body": {"events": events}})
    assert [fact.identity.email for fact in reading.facts] == ["a@example.com"]
    assert [fact.sender_id for fact in reading.facts] == ["1"]
    assert list(reading.ignored) == ["unmapped"]
    assert [each.at for each in reading.refused] == ["/body/events/2/to/[kind=main]/address"]
    bodies: list[Any] = [{}, {"events": {}}, {"events": [{}] * 1001}]
    for body in bodies:
        with pytest.raises(Refused):
            read(tmp_path, EVENTS, {"body": body})


def test_a_body_that_is_a_list_needs_no_word_for_it(tmp_path: Path) -> None:
    rows = [{"type": "unsubscribe", "data": {"email": f"{name}@example.com"}} for name in "ab"]
    reading = read(tmp_path, LIST, rows)
    assert [fact.identity.email for fact in reading.facts] == ["a@example.com", "b@example.com"]
    assert len({fact.sender_id for fact in reading.facts}) == 2


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("/f/[name=email]/value", "a@example.com"), ("/f/[n=7]/value", "seven"), ("/f/[on=true]/value", "on"),
        ("/f/[name=none]/value", None), ("/f/[name]/value", None), ("/[name=f]", None), ("/o/[a=b]", "literal"),
    ],
)  # fmt: skip
def test_a_step_may_look_for_an_object(pointer: str, found: str | None) -> None:
    fields = [
        1,
        {"name": "x"},
        {"name": "email", "value": "a@example.com"},
        {"n": 7, "value": "seven"},
        {"on": True, "value": "on"},
    ]
    assert at_pointer({"f": fields, "o": {"[a=b]": "literal"}}, pointer) == found


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ({"challenge": "abc"}, b'{"challenge":"abc"}'),
        ({"type": "url_verification", "token": "t", "challenge": "3eZb"}, b'{"challenge":"3eZb"}'),  # Slack's
        ({"challenge": "<script>"}, None),
        ({"challenge": "a", "type": "unsubscribe", "data": {"email": "a@example.com"}}, None),
    ],
)
def test_a_challenge_in_the_body_is_answered(tmp_path: Path, document: Any, answer: bytes | None) -> None:
    try:
        reading = read(tmp_path, LIST, document)
    except Refused:
        assert answer is None
    else:
        assert reading.answer == answer


@pytest.mark.parametrize(
    ("signature", "url"),
    [
        ("path: true", "https://in.example.com/hooks/x/s3cret"),
        ("query: key", "https://in.example.com/hooks/x?a=b&key=s3cret"),
    ],
)
def test_the_secret_may_stand_in_the_url(tmp_path: Path, signature: str, url: str) -> None:
    chosen = options(tmp_path, LIST.replace("path: true", signature))
    HOOK.verify(Incoming({}, b"", url, NOW), ["s3cret"], chosen)
    for other in (
        url.replace("s3cret", "S3cret"),
        "https://in.example.com/hooks/x",
        "https://in.example.com/hooks/x/?key=",
    ):
        with pytest.raises(Unverified):
            HOOK.verify(Incoming({}, b"", other, NOW), ["s3cret"], chosen)


@pytest.mark.parametrize(
    ("signature", "problem"),
    [
        ("{scheme: token}", "needs one of `header:`, `query:` and `path: true`"),
        ("{scheme: token, path: true, query: key}", "needs one of `header:`, `query:` and `path: true`"),
        ("{header: x, path: true}", "is only for `scheme: token`"),
    ],
)
def test_where_the_secret_stands_is_said_once(tmp_path: Path, signature: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        options(tmp_path, LIST.replace("{scheme: token, path: true}", signature))
    assert problem in str(refused.value)


@given(ANY_JSON, st.sampled_from([None, "/events"]))
def test_any_json_is_read_or_refused(document: Any, each: str | None) -> None:
    rules = {"events": (), "id": None, "each": each, "country": None}
    try:
        HOOK.read(Incoming({}, msgspec.json.encode(document), "", NOW), document, rules)
    except Refused:
        return
