"""`/v1/leads` and `/v1/purchases`: every field wrong in every way."""

from collections.abc import Mapping
from typing import Any, Final

from tests.malformed import wrong_values as wrong
from tests.malformed.case import EMAIL, JSON, MARKER, Case

_LEAD: Final = {"email": EMAIL}
_LEAD_FIELDS: Final[dict[str, Mapping[str, Any]]] = {
    "email": wrong.EMAILS,
    "phone": wrong.PHONES,
    "user_id": wrong.IDS,
    "anonymous_id": wrong.IDS,
    "message_id": wrong.IDS,
    "name": wrong.TEXTS,
    "form": wrong.TEXTS,
    "page": wrong.TEXTS,
    "interest": wrong.TEXTS,
    "message": wrong.TEXTS,
    "occurred_at": wrong.TIMES,
    "traits": wrong.FREE,
    "campaign": wrong.OBJECTS,
    "consent": wrong.OBJECTS,
    "estimated_value": wrong.OBJECTS,
    "company": wrong.LONG_OR_NESTED,
    "role": wrong.LONG_OR_NESTED,
}
_INSIDE: Final[dict[tuple[str, str], Mapping[str, Any]]] = {
    ("campaign", "source"): wrong.TEXTS,
    ("campaign", "gclid"): wrong.TEXTS,
    ("consent", "email"): wrong.FLAGS,
    ("consent", "sms"): wrong.FLAGS,
    ("consent", "wording"): wrong.TEXTS,
}
_LEADS: Final[dict[str, tuple[dict[str, Any], tuple[str, ...]]]] = {
    "nobody": ({}, ("/",)),
    "nobody-but-a-name": ({"name": MARKER}, ("/",)),
    "nobody-by-null": ({"email": None, "phone": None}, ("/",)),
    "nobody-by-spaces": ({"email": "  ", "user_id": "\t"}, ("/",)),
    "unknown-list": ({**_LEAD, "odd": [MARKER]}, ("/odd",)),
    "unknown-object": ({**_LEAD, "odd": {"a": MARKER}}, ("/odd",)),
    "unknown-with-nul": ({**_LEAD, "odd": f"{MARKER}\0"}, ("/odd",)),
    "unknown-huge-integer": ({**_LEAD, "odd": 10**60}, ("/odd",)),
    "unknown-integer-beyond-64-bits": ({**_LEAD, "odd": 2**63}, ("/odd",)),
    "unknown-too-long": ({**_LEAD, "odd": MARKER * 1000}, ("/odd",)),
    "nul-in-an-unknown-name": ({**_LEAD, "odd\0": MARKER}, ("/odd\0",)),
    "slash-in-an-unknown-name": ({**_LEAD, "a/b~c": [MARKER]}, ("/a~1b~0c",)),
    "unknown-name-of-20000": ({**_LEAD, "o" * 20_000: MARKER}, ()),
    "unknown-name-of-20000-with-a-list": ({**_LEAD, "o" * 20_000: [MARKER]}, ()),
    "1000-unknown-fields": ({**_LEAD, **{f"f{number}": MARKER for number in range(1000)}}, ("/",)),
    "1000-unknown-lists": ({**_LEAD, **{f"f{number}": [] for number in range(1000)}}, ()),
    "traits-and-unknown-fields": (
        {**_LEAD, "traits": {f"t{n}": 1 for n in range(150)}, **{f"f{n}": 1 for n in range(150)}},
        ("/",),
    ),
    "value-without-currency": ({**_LEAD, "estimated_value": {"amount": "5"}}, ("/estimated_value/currency",)),
    "value-without-amount": ({**_LEAD, "estimated_value": {"currency": "EUR"}}, ("/estimated_value/amount",)),
    "value-of-nothing": (
        {**_LEAD, "estimated_value": {}},
        ("/estimated_value/amount", "/estimated_value/currency"),
    ),
    "negative-value": (
        {**_LEAD, "estimated_value": {"amount": "-5", "currency": "EUR"}},
        ("/estimated_value/amount",),
    ),
    "everything": (
        {"email": MARKER, "phone": MARKER, "traits": MARKER, "consent": MARKER, "campaign": MARKER, "occurred_at": MARKER},
        ("/email", "/phone", "/traits", "/consent", "/campaign", "/occurred_at"),
    ),
}  # fmt: skip

_ORDER: Final = {"email": EMAIL, "order_id": MARKER, "amount": "12.00", "currency": "EUR"}
_ORDER_FIELDS: Final[dict[str, Mapping[str, Any]]] = {
    "email": {"word": MARKER, "list": [MARKER]},
    "order_id": {**wrong.TEXTS, "null": None, "empty": "", "spaces": "  "},
    "amount": {**wrong.AMOUNTS, "null": None, "negative": "-1", "negative-number": -1, "negative-float": -0.5},
    "currency": {**wrong.CURRENCIES, "null": None, "empty": ""},
    "margin": wrong.AMOUNTS,
    "coupon": wrong.TEXTS,
    "occurred_at": wrong.TIMES,
    "message_id": wrong.IDS,
    "items": {**wrong.LISTS, "501": [{}] * 501},
}
_LINE: Final[dict[str, Mapping[str, Any]]] = {
    "sku": wrong.TEXTS,
    "name": wrong.TEXTS,
    "price": wrong.AMOUNTS,
    "quantity": {
        "zero": 0, "negative": -1, "half": 0.5, "text": "2", "true": True, "millions": 10**7, "huge": 10**60,
        "null": None, "list": [],
    },
}  # fmt: skip


def cases() -> list[Case]:
    """One case for each wrong value of each field."""
    return [*_leads(), *_purchases()]


def _leads() -> list[Case]:
    found = []
    for name, values in _LEAD_FIELDS.items():
        for how, value in values.items():
            if name in ("traits", "page", "message") and how == "too-long":
                value = "x" * 10_001  # noqa: PLW2901 - these may be longer
            found.append(_lead(f"{name}:{how}", _LEAD | {name: value}, (f"/{name}",)))
    for (outer, name), values in _INSIDE.items():
        for how, value in values.items():
            found.append(_lead(f"{outer}.{name}:{how}", _LEAD | {outer: {name: value}}, (f"/{outer}/{name}",)))
    for how, value in wrong.AMOUNTS.items():
        money = {"amount": value, "currency": "EUR"}
        found.append(_lead(f"value:{how}", _LEAD | {"estimated_value": money}, ("/estimated_value/amount",)))
    for how, value in wrong.CURRENCIES.items():
        money = {"amount": "5", "currency": value}
        found.append(_lead(f"currency:{how}", _LEAD | {"estimated_value": money}, ("/estimated_value/currency",)))
    return found + [_lead(name, body, at) for name, (body, at) in _LEADS.items()]


def _lead(name: str, body: dict[str, Any], at: tuple[str, ...]) -> Case:
    return Case(f"lead:{name}", "/v1/leads", body, (422,), at, "WEBSITE", JSON)


def _purchases() -> list[Case]:
    found = []
    for name, values in _ORDER_FIELDS.items():
        for how, value in values.items():
            found.append(_purchase(f"{name}:{how}", _ORDER | {name: value}, (f"/{name}",)))
    for name, values in _LINE.items():
        for how, value in values.items():
            lines = [{"sku": "good"}, {name: value}]
            found.append(_purchase(f"items.{name}:{how}", _ORDER | {"items": lines}, (f"/items/1/{name}",)))
    for how, value in {"text": MARKER, "number": 5, "null": None, "list": []}.items():
        found.append(_purchase(f"an-item-is-{how}", _ORDER | {"items": [{}, value]}, ("/items/1",)))
    required = {name: value for name, value in _ORDER.items() if name == "email"}
    found.append(_purchase("all-missing", required, ("/order_id", "/amount", "/currency")))
    found.append(_purchase("nobody", {**_ORDER, "email": None}, ("/",)))
    return found


def _purchase(name: str, body: dict[str, Any], at: tuple[str, ...]) -> Case:
    return Case(f"purchase:{name}", "/v1/purchases", body, (422,), at, "SHOP", JSON)
