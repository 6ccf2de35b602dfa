"""Who speaks is written on every event: a stranger never passes for the shop's own server."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.malformed.target import Answer, Record, Target

_NUMBERS = count(1)
A_PAGE = {"Origin": "https://evil.example"}
LONG_AGO = "2019-05-01T10:00:00Z"


def somebody() -> str:
    return f"victim-{next(_NUMBERS)}@example.com"


def event_of(target: Target, email: str) -> Any:
    """The only event about this address."""

    def about(records: list[Record]) -> list[Any]:
        return [record.event for record in records if email.encode() in record.value]

    (event,) = about(target.arrivals.wait_for(lambda records: bool(about(records))))
    return event


def identify(email: str) -> dict[str, Any]:
    return {"anonymousId": "d-1", "traits": {"email": email}}


# Each way in, and whose word it is.
WAYS: dict[str, tuple[str, Callable[[Target, str], Answer]]] = {
    "a form without a key": ("public", lambda t, email: t.form("website", {"email": email})),
    "a lead with a page's key": ("public", lambda t, email: t.post("/v1/leads", {"email": email}, "WEBSITE")),
    "Segment with a page's key": ("public", lambda t, email: t.post("/v1/identify", identify(email), "WEBSITE")),
    "Segment of which nobody said more": ("public", lambda t, email: t.post("/v1/identify", identify(email), "PAGE")),
    "a server's Segment": ("trusted", lambda t, email: t.post("/v1/identify", identify(email), "APP")),
    "a server's Segment key in a page": ("public", lambda t, e: t.post("/v1/identify", identify(e), "APP", **A_PAGE)),
    "a server's Segment key, same site": (
        "public", lambda t, email: t.post("/v1/identify", identify(email), "APP", **{"Sec-Fetch-Site": "same-origin"}),
    ),
    "a batch of a server's key in a page": (
        "public",
        lambda t, e: t.post("/v1/batch", {"batch": [{"type": "identify", **identify(e)}]}, "APP", **A_PAGE),
    ),
    "our own server": ("trusted", lambda t, email: t.post("/v1/leads", {"email": email}, "SHOP")),
    "our own server's key in a page": ("public", lambda t, e: t.post("/v1/leads", {"email": e}, "SHOP", **A_PAGE)),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_event_says_whether_its_sender_may_be_anybody(target: Target, way: str) -> None:
    trust, send = WAYS[way]
    email = somebody()
    assert send(target, email).status in (200, 202)
    assert event_of(target, email).get("trust", "trusted") == trust


def order(email: str) -> dict[str, Any]:
    return {"userId": "u-1", "event": "Order Completed", "context": {"traits": {"email": email}},
            "properties": {"order_id": f"o-{email}", "total": 99999, "currency": "EUR"}}  # fmt: skip


def test_a_stranger_s_order_is_no_money(target: Target) -> None:
    by_page, by_server = somebody(), somebody()
    for key, headers in (("PAGE", {}), ("WEBSITE", {}), ("APP", A_PAGE)):
        email = somebody()
        assert target.post("/v1/track", order(email), key, **headers).status == 200
        assert event_of(target, email)["type"] == "engagement.recorded", key
    assert target.post("/v1/track", order(by_server), "APP").status == 200
    assert event_of(target, by_server)["type"] == "purchase.completed"
    purchase = {"email": by_page, "order_id": f"o-{by_page}", "amount": "9.00", "currency": "EUR"}
    assert target.post("/v1/purchases", purchase, "WEBSITE").status == 403
    assert target.post("/v1/purchases", purchase, "PAGE").status == 403
    in_a_page = target.post("/v1/purchases", purchase, "SHOP", **A_PAGE)
    assert in_a_page.status == 403
    assert "server" in in_a_page.json["detail"]
    fact = {"specversion": "1.0", "id": "1", "source": "/x", "type": "purchase.refunded",
            "data": {"identity": {"email": by_page}, "order_id": "A", "amount": "1", "currency": "EUR"}}  # fmt: skip
    assert target.post("/v1/events", fact, "SHOP", **A_PAGE).status == 403


def test_a_stranger_s_clock_is_ours_and_a_server_s_its_own(target: Target) -> None:
    for key, ours in (("WEBSITE", True), ("SHOP", False)):
        email = somebody()
        assert target.post("/v1/leads", {"email": email, "occurred_at": LONG_AGO}, key).status == 202
        event = event_of(target, email)
        assert (event["time"] == event["receivedtime"]) is ours
        assert event.get("claimedtime" if ours else "time") == LONG_AGO
    email = somebody()
    message = {"type": "identify", "timestamp": LONG_AGO, "sentAt": LONG_AGO, **identify(email)}
    assert target.post("/v1/batch", {"batch": [message]}, "PAGE").status == 200
    event = event_of(target, email)
    assert event["time"] == event["receivedtime"]


def test_what_a_stranger_tells_of_the_browser_does_not_outweigh_what_we_saw(target: Target) -> None:
    email = somebody()
    message = {
        "type": "track", "event": "Signed Up", "anonymousId": "d", "properties": {"email": email},
        "context": {"userAgent": "Mozilla/5.0 (Macintosh) Safari/605.1.15"},
    }  # fmt: skip
    robot = {"User-Agent": "Mozilla/5.0 (compatible; AhrefsBot/7.0)", "Content-Type": "application/json"}
    assert target.request("POST", "/v1/batch", json.dumps({"batch": [message]}).encode(), robot, "PAGE").status == 200
    assert event_of(target, email)["data"]["likelihood_reasons"] == ["robot_agent"]
