"""Reads other services' JSON without trusting its shape: what is not as documented counts as absent.

An odd phone number or name must not cost a purchase, so nothing here raises; readers check what they require.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from services.ingest.domain.checks import MOST_ITEMS, MOST_PIECES, SHORT, Wrong, amount_text
from services.ingest.domain.fact import Refused
from services.ingest.domain.names import person_name
from shared.events.identity import Identity, identify, normalise_email, normalise_opaque, normalise_phone
from shared.events.types import Item
from shared.money import is_currency

_LATEST: Final = 253_402_300_799  # the last second of the year 9999


def part(value: Any, *path: str | int) -> Any:
    """The value at the path; None when there is none."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def the_object(body: Any) -> dict[str, Any]:
    """The body, which has to be an object. Raises Refused."""
    if not isinstance(body, dict):
        raise Refused([Wrong("/", "must be an object")])
    return body


def text(value: Any, longest: int = SHORT) -> str | None:
    """Trimmed text, cut at `longest`; an integer as its digits. None for anything else, and for empty text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 2**63 else None
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").strip()[:longest] or None


def whole(value: Any) -> int | None:
    """A whole number of at most 64 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def moment(value: Any, per_second: int = 1) -> datetime | None:
    """A time in UTC: from a Unix time in `1/per_second` seconds, or ISO 8601 with its zone."""
    if isinstance(value, str):
        try:
            found = msgspec.convert(value, datetime)
            return found.astimezone(UTC) if found.tzinfo is not None else None
        except (msgspec.ValidationError, OverflowError):
            return None
    number = whole(value)
    if number is None or not 0 < number / per_second < _LATEST:
        return None
    return datetime.fromtimestamp(number / per_second, UTC)


def seconds(value: Any) -> datetime | None:
    """A time in UTC from a Unix time in seconds, with a fraction or as text."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        return None
    return datetime.fromtimestamp(number, UTC) if 0 < number < _LATEST else None


def moment_in_utc(value: Any) -> datetime | None:
    """As `moment`; a time without a zone, as in `2026-11-29 01:00:00`, is UTC."""
    found = moment(value)
    if found is not None or not isinstance(value, str):
        return found
    try:
        naive = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return naive.replace(tzinfo=UTC) if naive.tzinfo is None else None


def person(
    *,
    email: Any = None,
    phone: Any = None,
    user_id: Any = None,
    country: Any = None,
    anonymous_id: Any = None,
    order: str | None = None,
) -> Identity | None:
    """The person, from every valid identity; None without one. `country` (ISO 3166): of local numbers."""
    region = country.upper() if isinstance(country, str) and len(country) == len("GB") else None
    identity = identify(
        email=_normal(normalise_email, email),
        phone=_normal(lambda number: normalise_phone(number, region), phone),
        user_id=_normal(normalise_opaque, user_id),
        anonymous_id=_normal(normalise_opaque, anonymous_id),
        order=order,
    )
    return None if identity == Identity() else identity


def _normal(rule: Callable[[str], str], value: Any) -> str | None:
    plain = text(value)
    if plain is None:
        return None
    try:
        return rule(plain)
    except ValueError:
        return None


def full_name(first: Any, last: Any) -> str | None:
    """`Ada Lovelace`, or the half that is known."""
    return person_name(None, text(first), text(last))


def told(traits: Mapping[str, Any]) -> dict[str, Any]:
    """The traits without empty ones."""
    return {name: value for name, value in traits.items() if value is not None}


def amount(value: Any) -> str | None:
    """A decimal of zero or more, as text."""
    found = amount_text(value)
    return None if found is None or found.startswith("-") else found


def money(order: Mapping[str, Any], total: str) -> tuple[str, str]:
    """An order's total, under that name, and its currency. Raises Refused."""
    found, currency = amount(order.get(total)), (text(order.get("currency")) or "").upper()
    wrong = []
    if found is None:
        wrong.append(Wrong(f"/{total}", "must be a plain decimal number such as 129.90"))
    if not is_currency(currency):
        wrong.append(Wrong("/currency", "must be an ISO 4217 code such as EUR"))
    if wrong or found is None:
        raise Refused(wrong)
    return found, currency


def items(lines: Any) -> list[Item]:
    """The items of an order (Shopify and WooCommerce name their fields alike)."""
    found = []
    for line in lines[:MOST_ITEMS] if isinstance(lines, list) else ():
        quantity = whole(part(line, "quantity"))
        if quantity is not None and 0 < quantity <= MOST_PIECES:
            name = text(part(line, "title")) or text(part(line, "name"))
            found.append(
                Item(sku=text(part(line, "sku")), name=name, quantity=quantity, price=amount(part(line, "price")))
            )
    return found
