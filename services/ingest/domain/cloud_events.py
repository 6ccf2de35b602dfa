"""CloudEvents 1.0 over HTTP: structured, batched and binary, of the types that docs/schemas/ describes."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from services.ingest.domain.checks import MOST_ITEMS, Fields, Wrong, free_form_problem
from services.ingest.domain.fact import Fact, Refused
from shared.events.identity import Identity, identify
from shared.events.types import DATA_TYPES, OURS, Item
from shared.money import Money, is_amount, is_currency

_HEADER: Final = b"ce-"
_READER: Final = {"email": "email", "phone": "phone", "user_id": "opaque", "anonymous_id": "opaque"}
_JSON: Final = re.compile(r"(?:application|text)/(?:[a-z0-9.-]+\+)?json", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\(.)")
_REQUIRED: Final = {
    name: [each.name for each in msgspec.structs.fields(kind) if each.required and each.type is str]
    for name, kind in DATA_TYPES.items()
}


def is_json(content_type: str) -> bool:
    """Whether a media type, its parameters aside, holds JSON."""
    return _JSON.fullmatch(content_type.partition(";")[0].strip()) is not None


def from_headers(headers: Mapping[bytes, bytes], data: Any) -> dict[str, Any]:
    """A binary-mode event in structured form: attributes are percent-encoded `ce-…` headers.

    Raises Refused with every attribute that is no UTF-8.
    """
    attributes: dict[str, Any] = {}
    wrong: list[Wrong] = []
    for header, value in headers.items():
        if header.startswith(_HEADER):
            name = header[len(_HEADER) :].decode("latin-1")
            try:
                attributes[name] = _header_value(value)
            except UnicodeDecodeError:
                wrong.append(Wrong(f"/{name}", "must be percent-encoded UTF-8"))
    if wrong:
        raise Refused(wrong)
    for name in ("datacontenttype", "data_base64"):  # the Content-Type and the body say it
        attributes.pop(name, None)
    return {**attributes, "data": data}


def _header_value(value: bytes) -> str:
    text = value.decode("utf-8").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPED.sub(r"\1", text[1:-1])
    return unquote(text, errors="strict")


def read_cloud_event(event: Mapping[str, Any], at: str = "") -> Fact:
    """One event. Its `source` and `id` together name it: a resend is the same event. Raises Refused."""
    fields = Fields(event, at)
    if event.get("specversion") != "1.0":
        fields.note("specversion", "must be 1.0")
    identifier = fields.required(fields.opaque, "id")
    source = fields.required(fields.text, "source")
    kind = fields.required(fields.text, "type")
    time = fields.time("time")
    known = DATA_TYPES.get(kind or "")
    if kind is not None and (known is None or kind in OURS):
        fields.note("type", "is not one of the types that are taken here; see docs/schemas")
    data = _data(fields)
    if fields.wrong or known is None or identifier is None:
        raise Refused(fields.wrong)
    content, identity = _content(kind or "", known, data, f"{at}/data")
    return Fact(kind or "", identity, content, time, f"{source}\n{identifier}")


def _data(fields: Fields) -> dict[str, Any]:
    """A copy of the data; {} when it is wrong, which is noted."""
    content_type = fields.text("datacontenttype")
    if content_type is not None and not is_json(content_type):
        fields.note("datacontenttype", "must be application/json: the data is an object of the event's type")
        return {}
    data, name = fields.data.get("data"), "data"
    if "data_base64" in fields.data:
        name = "data_base64"
        if data is not None:
            fields.note(name, "must not come beside data")
            return {}
        data = _from_base64(fields.data[name])
    problem = _object_problem(data)
    if problem is not None:
        fields.note(name, problem)
        return {}
    assert isinstance(data, dict)
    return dict(data)


def _from_base64(text: object) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True)) if isinstance(text, str) else None
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _object_problem(data: object) -> str | None:
    if not isinstance(data, dict):
        return "must be an object"
    items = data.get("items")
    if not isinstance(items, list):
        return free_form_problem(data)
    if len(items) > MOST_ITEMS:
        return f"must have at most {MOST_ITEMS} items"
    rest = {name: value for name, value in data.items() if name != "items"}
    return next((problem for each in (rest, *items) if (problem := free_form_problem(each)) is not None), None)


def _content(kind: str, known: type[msgspec.Struct], data: dict[str, Any], at: str) -> tuple[msgspec.Struct, Identity]:
    wrong: list[Wrong] = []
    for name in ("identity", "referred"):
        if name in known.__struct_fields__ and isinstance(data.get(name), dict):
            data[name] = _identity(Fields(data[name], f"{at}/{name}", wrong))
    if wrong:
        raise Refused(wrong)
    try:
        content = msgspec.convert(data, known)
    except msgspec.ValidationError as error:
        raise Refused([_refusal(error, at)]) from None
    wrong += [
        Wrong(f"{at}/{name}", "is required") for name in _REQUIRED[kind] if not str(getattr(content, name)).strip()
    ]
    wrong += _value_problems(content, at)
    wrong += _money_problems(content, at)
    if wrong:
        raise Refused(wrong)
    return content, getattr(content, "identity", Identity())


def _refusal(error: msgspec.ValidationError, at: str) -> Wrong:
    text, _, path = str(error).partition(" - at `$")
    place = path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
    if text.startswith("Invalid enum value"):  # it would repeat the value
        text = "must be one of the values that docs/schemas names"
    return Wrong(f"{at}{place}", text)


def _identity(fields: Fields) -> dict[str, str]:
    identity = identify(**{name: getattr(fields, _READER[name])(name) for name in _READER})
    if not fields.wrong and identity == Identity():
        fields.wrong.append(Wrong(fields.at, "needs one of email, phone, user_id or anonymous_id"))
    return {name: value for name in _READER if (value := getattr(identity, name)) is not None}


def _value_problems(content: msgspec.Struct, at: str) -> list[Wrong]:
    wrong = []
    for name in content.__struct_fields__:
        value = getattr(content, name)
        if isinstance(value, datetime) and value.tzinfo is None:
            wrong.append(Wrong(f"{at}/{name}", "must be a time with its zone, such as 2026-01-01T10:00:00Z"))
    if not 0 <= getattr(content, "human_likelihood", 1.0) <= 1:
        wrong.append(Wrong(f"{at}/human_likelihood", "must be between 0 and 1"))
    return wrong


def _money_problems(content: msgspec.Struct, at: str) -> list[Wrong]:
    wrong = []
    estimate = getattr(content, "estimated_value", None)
    money = {f"{at}/estimated_value": estimate} if isinstance(estimate, Money) else {}
    amount, currency = getattr(content, "amount", None), getattr(content, "currency", None)
    if isinstance(amount, str) and isinstance(currency, str):
        money[at] = Money(amount, currency)
    for place, each in money.items():
        if not is_amount(each.amount) or each.amount.startswith("-"):
            wrong.append(Wrong(f"{place}/amount", "must be a plain decimal number such as 129.90"))
        if not is_currency(each.currency):
            wrong.append(Wrong(f"{place}/currency", "must be an ISO 4217 code such as EUR"))
    margin = getattr(content, "margin", None)
    if margin is not None and not is_amount(margin):
        wrong.append(Wrong(f"{at}/margin", "must be a plain decimal number such as 129.90"))
    for index, item in enumerate(getattr(content, "items", ())):
        wrong += _item_problems(item, f"{at}/items/{index}")
    return wrong


def _item_problems(item: Item, at: str) -> list[Wrong]:
    wrong = []
    if item.quantity < 1:
        wrong.append(Wrong(f"{at}/quantity", "must be a whole number above 0"))
    for name, amount in (("price", item.price), ("margin", item.margin)):
        if amount is not None and not is_amount(amount):
            wrong.append(Wrong(f"{at}/{name}", "must be a plain decimal number such as 129.90"))
    return wrong
