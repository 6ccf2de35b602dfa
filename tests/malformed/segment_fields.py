"""Segment's calls, by their long and short paths, and their batches: every field wrong."""

from collections.abc import Mapping
from typing import Any, Final

from tests.malformed import wrong_values as wrong
from tests.malformed.case import EMAIL, JSON, MARKER, Case

_NAMES: Final = ("track", "identify", "page", "screen", "group", "alias")
_GOOD: Final[dict[str, Any]] = {"userId": MARKER, "event": MARKER, "previousId": MARKER}
_FEW_TIMES: Final = {"word": MARKER, "no-zone": "2026-01-01T10:00:00", "year-0": "0000-01-01T00:00:00Z", "list": []}
_OTHERS: Final[dict[str, Mapping[str, Any]]] = {
    "userId": {"true": True, "object": {"$ne": None}, "257-characters": "x" * 257},
    "context": {"list": [MARKER], "text": MARKER},
    "timestamp": _FEW_TIMES,
}
_TRACK: Final[dict[str, Mapping[str, Any]]] = {
    "userId": wrong.IDS,
    "anonymousId": wrong.IDS,
    "context": wrong.OBJECTS,
    "event": {**wrong.TEXTS, "null": None, "empty": ""},
    "timestamp": wrong.TIMES,
    "sentAt": _FEW_TIMES,
    "messageId": {**wrong.TEXTS, "101-characters": "x" * 101},
    "properties": wrong.FREE,
    "traits": wrong.FREE,
}
_CONTEXT: Final[dict[str, Mapping[str, Any]]] = {"traits": wrong.FREE, "campaign": wrong.OBJECTS}
_ORDER: Final = {"order_id": MARKER, "total": 12, "currency": "EUR"}
_ORDER_FIELDS: Final[dict[str, Mapping[str, Any]]] = {
    "order_id": {"null": None, "object": {}, "list": [], "true": True, "empty": ""},
    "total": {"word": MARKER, "true": True, "null": None, "object": {}, "huge": 1e300, "comma": "1,50"},
    "currency": wrong.CURRENCIES,
    "products": wrong.LISTS,
    "coupon": {"object": {}, "list": [], "true": True},
}
_ONE_LETTER: Final = ("t", "i", "p", "s", "g", "a")


def cases() -> list[Case]:
    """One case for each wrong value of each field, and each path with what every path refuses."""
    return [*_calls(), *_inside(), *_orders(), *_one_letter(), *_batches(), *_write_keys()]


def _calls() -> list[Case]:
    found = []
    for call in _NAMES:
        found.append(_case(f"{call}:nobody", f"/v1/{call}", {"event": MARKER, "previousId": MARKER}, "/userId"))
        for name, values in (_TRACK if call == "track" else _OTHERS).items():
            for how, value in values.items():
                found.append(_case(f"{call}.{name}:{how}", f"/v1/{call}", _GOOD | {name: value}, f"/{name}"))
    found.append(_case("alias.previousId:missing", "/v1/alias", {"userId": MARKER}, "/previousId"))
    for how, value in wrong.TEXTS.items():
        found.append(_case(f"page.name:{how}", "/v1/page", _GOOD | {"name": value}, "/name"))
        found.append(_case(f"alias.previousId:{how}", "/v1/alias", _GOOD | {"previousId": value}, "/previousId"))
    return found


def _inside() -> list[Case]:
    found = []
    for name, values in _CONTEXT.items():
        for how, value in values.items():
            body = _GOOD | {"context": {name: value}}
            found.append(_case(f"track.context.{name}:{how}", "/v1/track", body, f"/context/{name}"))
    for how, value in wrong.TEXTS.items():
        body = _GOOD | {"context": {"campaign": {"source": value}}}
        found.append(_case(f"track.context.campaign.source:{how}", "/v1/track", body, "/context/campaign/source"))
    return found


def _orders() -> list[Case]:
    found = []
    for call in ("Order Completed", "order refunded"):
        for name, values in _ORDER_FIELDS.items():
            if call == "order refunded" and name in ("products", "coupon"):
                continue
            for how, value in values.items():
                body = {"userId": MARKER, "event": call, "properties": _ORDER | {name: value}}
                found.append(_case(f"{call}.{name}:{how}", "/v1/track", body, f"/properties/{name}"))
        body = {"userId": MARKER, "event": call}
        found.append(_case(f"{call}:nothing", "/v1/track", body, ("/properties/order_id", "/properties/total")))
    return found


def _one_letter() -> list[Case]:
    found = []
    for letter in _ONE_LETTER:
        found.append(_case(f"{letter}:nobody", f"/v1/{letter}", {"event": MARKER}, "/userId"))
        found.append(Case(f"segment:{letter}:no-json", f"/v1/{letter}", MARKER, (400,), (), "APP", JSON))
        found.append(Case(f"segment:{letter}:no-key", f"/v1/{letter}", _GOOD, (401,), (), "", JSON))
    return found


def _write_keys() -> list[Case]:
    keys = {"unknown": MARKER, "empty": "", "nul": "\0", "of-20000": MARKER * 1500, "list": [MARKER], "true": True}
    return [
        Case(f"segment:writeKey:{how}", "/v1/t", _GOOD | {"writeKey": key}, (401,), (), "", JSON)
        for how, key in keys.items()
    ]


def _batches() -> list[Case]:
    found = []
    for path in ("/v1/batch", "/v1/import", "/v1/b"):
        for how, value in wrong.LISTS.items():
            found.append(_case(f"{path}.batch:{how}", path, {"batch": value}, "/batch"))
        found.append(_case(f"{path}.batch:missing", path, {}, "/batch"))
        found.append(_case(f"{path}.batch:null", path, {"batch": None}, "/batch"))
    return found


def _case(name: str, path: str, body: dict[str, Any], at: str | tuple[str, ...]) -> Case:
    return Case(f"segment:{name}", path, body, (422,), (at,) if isinstance(at, str) else at, "APP", JSON)


BAD_MESSAGES: Final[dict[str, Any]] = {
    "text": MARKER,
    "number": 5,
    "null": None,
    "list": [MARKER],
    "empty": {},
    "no-type": {"userId": MARKER, "event": MARKER},
    "unknown-type": {"type": MARKER, "userId": MARKER},
    "type-is-a-list": {"type": ["track"], "userId": MARKER, "event": MARKER},
    "type-is-an-object": {"type": {"a": MARKER}, "userId": MARKER},
    "nobody": {"type": "track", "event": MARKER},
    "no-event": {"type": "track", "userId": MARKER},
    "nul": {"type": "track", "userId": MARKER, "event": f"{MARKER}\0"},
    "user-is-an-object": {"type": "identify", "userId": {"a": MARKER}},
    "traits-are-a-list": {"type": "identify", "userId": MARKER, "traits": [MARKER]},
    "context-is-text": {"type": "page", "userId": MARKER, "context": MARKER},
    "deep": {"type": "track", "userId": MARKER, "event": "x", "properties": wrong.nested(50)},
    "wide": {"type": "track", "userId": MARKER, "event": "x", "properties": {f"f{n}": n for n in range(1000)}},
    "huge-integer": {"type": "track", "userId": MARKER, "event": "x", "properties": {"a": 10**60}},
    "bad-time": {"type": "track", "userId": MARKER, "event": "x", "timestamp": MARKER},
    "order-without-total": {"type": "track", "userId": EMAIL, "event": "Order Completed", "properties": {"order_id": 1}},
    "alias-of-nobody": {"type": "alias", "userId": MARKER},
}  # fmt: skip
