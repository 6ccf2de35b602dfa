"""Why a message cannot be read names the field and never what stands in it."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.nurture.domain.context import read_update
from shared.errors import Permanent
from shared.events.envelope import decode
from shared.events.origin import Origin, origin_of_event, origin_of_update, sender_of
from shared.events.types import DATA_TYPES
from shared.events.updates import decode_update
from shared.kafka.records import Sender

SECRET = "ada@example.com' - at `$.x`"
ENVELOPE: dict[str, Any] = {
    "specversion": "1.0", "id": str(uuid4()), "source": "/sources/website", "type": "lead.captured",
    "time": "2026-01-01T00:00:00Z", "receivedtime": "2026-01-01T00:00:00Z", "data": {"identity": {}},
}  # fmt: skip
ODD = st.sampled_from(
    [SECRET, SECRET.encode().hex(), [SECRET], {SECRET: SECRET}, {"identity": SECRET}, 4417123456789113, None]
)


def reason_of(event: object) -> str:
    with pytest.raises(Permanent) as caught:
        decode(json.dumps(event).encode())
    return str(caught.value)


def why_not(read: Callable[[bytes], object], value: bytes) -> str:
    try:
        read(value)
    except Permanent as error:
        return str(error)
    return ""


def test_it_names_the_field() -> None:
    assert (
        reason_of(ENVELOPE | {"trust": SECRET})
        == "undecodable event: a value that is none of those allowed at `$.trust`"
    )
    assert reason_of(ENVELOPE | {"id": 7}) == "undecodable event: Expected `uuid`, got `int` at `$.id`"
    assert reason_of(ENVELOPE | {"type": SECRET}) == "unknown event type"
    without = {name: value for name, value in ENVELOPE.items() if name != "time"}
    assert reason_of(without) == "undecodable event: Object missing required field `time`"


@given(st.sampled_from([*sorted(ENVELOPE), "trust"]), st.sampled_from(sorted(DATA_TYPES)), st.data())
def test_it_holds_none_of_the_content(field: str, kind: str, data: st.DataObject) -> None:
    event = ENVELOPE | {"type": kind} | {field: data.draw(ODD)}
    if data.draw(st.booleans()):
        names = st.sampled_from(
            ["identity", "kind", "channel", "outcome", "consent", "traits", "amount", "rating", SECRET]
        )
        event["data"] = data.draw(st.dictionaries(names, ODD))
    for read in (decode, decode_update, lambda value: read_update(decode_update(value))):
        reason = why_not(read, json.dumps(event).encode())
        assert not any(part in reason for part in ("ada", "example", SECRET.encode().hex(), "4417")), reason


def test_the_sender_is_read_from_what_can_be_read() -> None:
    event = json.dumps(ENVELOPE | {"trust": "public", "data": 7}).encode()
    assert sender_of(origin_of_event(event)) == Sender("website", trusted=False)
    assert origin_of_update(json.dumps({"data": {"event": ENVELOPE}}).encode()) == Origin("/sources/website")
    assert sender_of(Origin("/sources/shop")) == Sender("shop", trusted=True)
    assert not sender_of(Origin("/nurture")).trusted, "its facts are about contacts that anybody may have made"


@given(st.binary() | st.integers(1, 30_000).map(lambda depth: b"[" * depth))
def test_whatever_it_is_somebody_sent_it(value: bytes) -> None:
    assert sender_of(origin_of_event(value)) == sender_of(origin_of_update(value)) == Sender("unknown", trusted=False)
