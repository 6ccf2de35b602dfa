"""In a batch, the good arrive whatever stands beside them, and each bad one is named."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.malformed.case import MARKER
from tests.malformed.cloud_event_fields import BAD_EVENTS, GOOD
from tests.malformed.segment_fields import BAD_MESSAGES
from tests.malformed.target import Target

pytestmark = pytest.mark.xdist_group("malformed")
_SEGMENT: Final = ("/v1/batch", "/v1/import", "/v1/b")
_MESSAGES: Final[Mapping[str, Any]] = {**BAD_MESSAGES, "all-at-once": list(BAD_MESSAGES.values())}
_EVENTS: Final[Mapping[str, Any]] = {**BAD_EVENTS, "all-at-once": list(BAD_EVENTS.values())}


def _between(good: list[Any], how: str, bad: Any) -> tuple[list[Any], set[int]]:
    """The first good one, what is bad, the other good one; and where the bad ones stand."""
    several = bad if how == "all-at-once" else [bad]
    return [good[0], *several, good[1]], set(range(1, len(several) + 1))


@pytest.mark.parametrize("how", _MESSAGES)
def test_good_messages_arrive_beside_a_bad_one(target: Target, how: str) -> None:
    for path in _SEGMENT:
        names = [f"{uuid4()}@example.com" for _ in range(2)]
        good = [{"type": "identify", "userId": "u", "traits": {"email": name}} for name in names]
        batch, wrong = _between(good, how, _MESSAGES[how])
        answer = target.post(path, {"batch": batch}, "APP")
        assert (answer.status, answer.json["success"]) == (200, True)
        assert {error["index"] for error in answer.json["errors"]} == wrong, answer.body
        assert MARKER.encode() not in answer.body
        _arrive(target, names)


@pytest.mark.parametrize("how", _EVENTS)
def test_good_events_arrive_beside_a_bad_one(target: Target, how: str) -> None:
    names = [f"{uuid4()}@example.com" for _ in range(2)]
    good = [GOOD | {"id": name, "data": {"identity": {"email": name}}} for name in names]
    batch, wrong = _between(good, how, _EVENTS[how])
    answer = target.post("/v1/events", batch, "SHOP", **{"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status == 202, answer
    assert len(answer.json["ids"]) == 2
    assert {int(error["at"].split("/")[1]) for error in answer.json["errors"]} == wrong, answer.body
    assert MARKER.encode() not in answer.body
    _arrive(target, names)


@pytest.mark.parametrize("field", ["sentAt", "integrations", "context", "odd"])
@pytest.mark.parametrize("value", [MARKER, 5, True, [], {}, None, "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_what_is_wrong_beside_a_batch_keeps_no_message_away(target: Target, field: str, value: Any) -> None:
    name = f"{uuid4()}@example.com"
    message = {"type": "track", "userId": name, "event": "x", "timestamp": "2026-01-01T10:00:00Z"}
    answer = target.post("/v1/batch", {"batch": [message], field: value}, "APP")
    assert (answer.status, answer.json["success"]) == (200, True)
    _arrive(target, [name])


@pytest.mark.parametrize(
    "odd",
    [
        MARKER,
        "",
        "00-abc-def-01",
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"ff-{'a' * 32}-{'b' * 16}-01",
        f"00-{'A' * 32}-{'B' * 16}-01",
        f"00-{'a' * 32}-{'b' * 16}-01-{MARKER}",
    ],
)
def test_an_odd_traceparent_is_replaced(target: Target, odd: str) -> None:
    answer = target.post("/v1/leads", {"email": "good@example.com"}, "WEBSITE", traceparent=odd)
    assert answer.status == 202
    taken = answer.json["id"]
    records = target.arrivals.wait_for(lambda found: any(one.event["id"] == taken for one in found))
    (event,) = (one.event for one in records if one.event["id"] == taken)
    assert event["traceparent"] != odd
    assert len(event["traceparent"]) == 55


def _arrive(target: Target, names: list[str]) -> None:
    target.arrivals.wait_for(lambda found: all(any(name.encode() in one.value for one in found) for name in names))
