"""CloudEvents 1.0 over HTTP: structured, batched and binary, of the types that docs/schemas/ describes."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.checks import Fields, Wrong, free_form_problem
from services.ingest.domain.fact import Fact, Refused
from shared.events.identity import Identity
from shared.events.types import DATA_TYPES
from shared.money import Money, is_amount, is_currency

# What the outside may tell. Follow-up facts are nurture's own, and a touch is told by finishing its task.
OURS: Final = frozenset(name for name in DATA_TYPES if name.startswith("followup."))
_HEADER: Final = b"ce-"
_READER: Final = {"email": "email", "phone": "phone", "user_id": "opaque", "anonymous_id": "opaque"}


def from_headers(headers: Mapping[bytes, bytes], data: Any) -> dict[str, Any]:
    """A binary-mode event as the structured one that it stands for: attributes are `ce-…` headers."""
    attributes = {
        name[len(_HEADER) :].decode("latin-1"): value.decode("latin-1")
        for name, value in headers.items()
        if name.startswith(_HEADER)
    }
    return {**attributes, "data": data}


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
    data: Any = event.get("data")
    problem = free_form_problem(data) if isinstance(data, dict) else "must be an object"
    if problem is not None:
        fields.note("data", problem)
    if fields.wrong or known is None or identifier is None:
        raise Refused(fields.wrong)
    content, identity = _content(known, dict(data), f"{at}/data")
    return Fact(kind or "", identity, content, time, f"{source}\n{identifier}")


def _content(known: type[msgspec.Struct], data: dict[str, Any], at: str) -> tuple[msgspec.Struct, Identity]:
    wrong: list[Wrong] = []
    for name in ("identity", "referred"):
        if name in known.__struct_fields__ and isinstance(data.get(name), dict):
            data[name] = _identity(Fields(data[name], f"{at}/{name}", wrong))
    if wrong:
        raise Refused(wrong)
    try:
        content = msgspec.convert(data, known)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        place = path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
        raise Refused([Wrong(f"{at}{place}", text)]) from None
    wrong += _money_problems(content, at)
    if wrong:
        raise Refused(wrong)
    return content, getattr(content, "identity", Identity())


def _identity(fields: Fields) -> dict[str, str]:
    found = {name: getattr(fields, _READER[name])(name) for name in _READER}
    if not fields.wrong and not any(found.values()):
        fields.wrong.append(Wrong(fields.at, "needs one of email, phone, user_id or anonymous_id"))
    return {name: value for name, value in found.items() if value is not None}


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
            wrong.append(Wrong(f"{place}/currency", "must be a three-letter code such as EUR"))
    return wrong
