"""CloudEvents, structured, binary and batched: every attribute and every field of the data wrong."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from shared.events.identity import Identity
from shared.events.types import DATA_TYPES, OURS
from tests.malformed import wrong_values as wrong
from tests.malformed.case import EMAIL, EVENT_JSON, EVENTS_JSON, JSON, MARKER, Case

GOOD: Final[dict[str, Any]] = {
    "specversion": "1.0", "id": "1", "source": "/erp", "type": "contact.identified", "time": "2026-01-01T10:00:00Z",
    "data": {"identity": {"email": EMAIL}},
}  # fmt: skip
TAKEN: Final = [name for name in DATA_TYPES if name not in OURS]
_ATTRIBUTES: Final[dict[str, Mapping[str, Any]]] = {
    "specversion": {"0.3": "0.3", "1": "1", "1.0.0": "1.0.0", "number": 1.0, "null": None, "object": {}, "list": []},
    "id": {**wrong.IDS, "null": None, "empty": "", "spaces": "  "},
    "source": {**wrong.TEXTS, "null": None, "empty": ""},
    "type": {
        **wrong.TEXTS, "null": None, "empty": "", "unknown": f"lead.{MARKER}", "ours": "followup.sent", "number": 5,
        "other-case": "Lead.Captured", "update": "contact.updated",
    },
    "time": wrong.TIMES,
    "data": {**wrong.FREE, "null": None},
}  # fmt: skip
_IDENTITIES: Final[dict[str, Any]] = {
    "list": [], "text": MARKER, "number": 5, "empty": {}, "nulls": {"email": None}, "null": None,
    "contact-id-only": {"contact_id": "0190d7a4-0000-7000-8000-000000000000"},
}  # fmt: skip
_HEADERS: Final[dict[str, tuple[dict[str, str | bytes], tuple[str, ...]]]] = {
    "no-id": ({"ce-id": ""}, ("/id",)),
    "specversion-0.3": ({"ce-specversion": "0.3"}, ("/specversion",)),
    "specversion-empty": ({"ce-specversion": ""}, ("/specversion",)),
    "specversion-not-ascii": ({"ce-specversion": b"\xff1.0"}, ("/specversion",)),
    "id-too-long": ({"ce-id": "x" * 257}, ("/id",)),
    "source-empty": ({"ce-source": ""}, ("/source",)),
    "source-too-long": ({"ce-source": MARKER * 1000}, ("/source",)),
    "type-unknown": ({"ce-type": MARKER}, ("/type",)),
    "type-not-utf-8": ({"ce-type": b"\xff\xfe" + MARKER.encode()}, ("/type",)),
    "type-ours": ({"ce-type": "followup.sent"}, ("/type",)),
    "time-word": ({"ce-time": MARKER}, ("/time",)),
    "time-without-zone": ({"ce-time": "2026-01-01T10:00:00"}, ("/time",)),
    "time-percent-garbage": ({"ce-time": "%zz%"}, ("/time",)),
}


def cases() -> list[Case]:
    """One case for each wrong value."""
    found = []
    for name, values in _ATTRIBUTES.items():
        for how, value in values.items():
            found.append(_case(f"{name}:{how}", GOOD | {name: value}, f"/{name}"))
        found.append(_case(f"{name}:missing", {k: v for k, v in GOOD.items() if k != name}, f"/{name}", missing=name))
    found.append(_case("nothing", {}, ("/specversion", "/id", "/source", "/type", "/data")))
    for kind in TAKEN:
        found += _data(kind, DATA_TYPES[kind])
    return found + _binary() + _batched()


def _data(kind: str, struct: type[Struct]) -> list[Case]:
    good = good_data(struct)
    hints = get_type_hints(struct)
    found = [
        _case(f"{kind}.{name}:missing", _event(kind, {k: v for k, v in good.items() if k != name}), "/data")
        for name in good
    ]
    for field in fields(struct):
        values = _IDENTITIES if hints[field.name] is Identity else _not_of(hints[field.name])
        for how, value in values.items():
            body = _event(kind, good | {field.name: value})
            found.append(_case(f"{kind}.{field.name}:{how}", body, f"/data/{field.name}"))
    if hints.get("identity") is Identity:
        body = _event(kind, good | {"identity": {"email": f"a@{MARKER}❤.com"}})
        found.append(_case(f"{kind}.identity.email:heart", body, "/data/identity/email"))
    if "amount" in good:
        found += _money(kind, good)
    return found


def _money(kind: str, good: dict[str, Any]) -> list[Case]:
    found = [_case(f"{kind}.amount:negative", _event(kind, good | {"amount": "-1"}), "/data/amount")]
    for name, values in (("amount", wrong.AMOUNTS), ("currency", wrong.CURRENCIES)):
        for how, value in values.items():
            if isinstance(value, str) and "\0" not in value and kind == "purchase.completed":
                body = _event(kind, good | {name: value})
                found.append(_case(f"{kind}.{name}:wrong-{how}", body, f"/data/{name}"))
    return found


def good_data(struct: type[Struct]) -> dict[str, Any]:
    """The least data that a type takes."""
    known = {"identity": {"email": EMAIL}, "referred": {"email": f"b{EMAIL}"}, "amount": "12.00", "currency": "EUR",
             "score": 9.0, "given": True}  # fmt: skip
    hints = get_type_hints(struct)
    required = [f.name for f in fields(struct) if f.default is NODEFAULT and f.default_factory is NODEFAULT]
    assert all(name in known or hints[name] is str for name in required), required
    return {name: known.get(name, MARKER) for name in required}


def _not_of(hint: Any) -> dict[str, Any]:
    """Values that a field of that type cannot have."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    takes_object = any(get_origin(option) is dict or _all_optional(option) for option in options)
    values = {"list-of-lists": [[MARKER]], "true": True, "object": {"a": MARKER}}
    if bool in options:
        del values["true"]
    if takes_object:
        del values["object"]
    return values


def _all_optional(option: Any) -> bool:
    if not (isinstance(option, type) and issubclass(option, Struct)):
        return False
    return all(f.default is not NODEFAULT or f.default_factory is not NODEFAULT for f in fields(option))


def _event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return GOOD | {"type": kind, "data": data}


def _case(name: str, body: Any, at: str | tuple[str, ...], *, missing: str = "") -> Case:
    statuses = (202,) if missing == "time" else (422,)
    pointers = () if missing == "time" else (at,) if isinstance(at, str) else at
    return Case(f"event:{name}", "/v1/events", body, statuses, pointers, "SHOP", EVENT_JSON)


def _binary() -> list[Case]:
    attributes: dict[str, str | bytes] = {f"ce-{name}": str(GOOD[name]) for name in GOOD if name != "data"}
    good = {**JSON, **attributes}
    data = GOOD["data"]
    found = [
        Case(f"binary:{name}", "/v1/events", data, (422,), at, "SHOP", {**good, **change})
        for name, (change, at) in _HEADERS.items()
    ]
    for name in ("ce-id", "ce-source", "ce-type"):
        headers = {key: value for key, value in good.items() if key != name}
        found.append(Case(f"binary:{name}:missing", "/v1/events", data, (422,), (f"/{name[3:]}",), "SHOP", headers))
    for how, body in (("list", [MARKER]), ("empty-list", []), ("empty-object", {})):
        found.append(Case(f"binary:data:{how}", "/v1/events", body, (422,), ("/data",), "SHOP", good))
    for how, text in (("nothing", ""), ("word", MARKER), ("text", f'"{MARKER}"'), ("null", "null")):
        found.append(Case(f"binary:data:{how}", "/v1/events", text, (400, 422), (), "SHOP", good))
    data_header = {**good, "ce-data": MARKER}
    found.append(Case("binary:a-header-called-data", "/v1/events", [], (422,), ("/data",), "SHOP", data_header))
    return found


def _batched() -> list[Case]:
    found = []
    for how, text in (("text", f'"{MARKER}"'), ("number", "5"), ("null", "null")):
        found.append(Case(f"events:{how}", "/v1/events", text, (400, 422), (), "SHOP", EVENTS_JSON))
    found.append(Case("events:object", "/v1/events", GOOD, (400,), (), "SHOP", EVENTS_JSON))
    bad = list(BAD_EVENTS.values())
    at = tuple(f"/{index}" for index, value in enumerate(bad) if not isinstance(value, dict))
    found.append(Case("events:all-bad", "/v1/events", bad, (422,), at, "SHOP", EVENTS_JSON))
    many = b"[" + b"0," * 200_000 + b"0]"
    found.append(Case("events:200000-numbers", "/v1/events", many, (413,), (), "SHOP", EVENTS_JSON))
    return found


BAD_EVENTS: Final[dict[str, Any]] = {
    "text": MARKER,
    "number": 5,
    "null": None,
    "list": [MARKER],
    "empty": {},
    "unknown-type": GOOD | {"type": MARKER},
    "ours": GOOD | {"type": "followup.sent"},
    "no-id": GOOD | {"id": None},
    "nobody": GOOD | {"data": {"identity": {}}},
    "data-is-text": GOOD | {"data": MARKER},
    "deep": GOOD | {"data": wrong.nested(50)},
    "wrong-enum": GOOD | {"type": "feedback.given", "data": {"identity": {"email": EMAIL}, "kind": MARKER, "score": 1}},
    "bad-time": GOOD | {"time": MARKER},
    "nul": GOOD | {"source": f"{MARKER}\0"},
}
