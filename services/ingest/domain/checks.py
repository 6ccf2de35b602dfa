"""Checks the fields of a JSON object and collects everything wrong, so that one response names it all."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from services.ingest.domain.contact_points import number_in
from shared.events.identity import normalise_email, normalise_opaque, normalise_phone, says_nothing
from shared.money import Money, is_amount, is_currency

LONG: Final = 10_000  # characters of a message
SHORT: Final = 500  # of any other text
LONGEST_WORDING: Final = 5000  # of a consent
LONGEST_NAME: Final = 100  # characters of a field's name
DEEPEST: Final = 6
MOST_VALUES: Final = 200  # in free-form objects
MOST_ITEMS: Final = 500  # of an order
MOST_PIECES: Final = 1_000_000  # of an item
MOST_MESSAGES: Final = 2500  # in one batch, as Segment's own import took
_QUOTES: Final = re.compile(r"[:(]|[.]$")
_SMALLEST_INT, _LARGEST_INT = -(2**63), 2**63 - 1


class Wrong(NamedTuple):
    """One wrong field: a JSON pointer and what is wrong. Never the value."""

    at: str
    problem: str


def pointed(name: str) -> str:
    """A field's name as a part of a JSON pointer (RFC 6901), cut when too long."""
    shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
    return shown.replace("~", "~0").replace("/", "~1")


@dataclass(slots=True)
class Fields:
    """An object being read. Each reader returns the valid value or None, and notes what is wrong.

    `country` (ISO 3166): of phone numbers in national format.
    """

    data: Mapping[str, Any]
    at: str = ""
    wrong: list[Wrong] = field(default_factory=list)
    country: str | None = None

    def note(self, name: str, problem: str) -> None:
        """Note that this field is wrong."""
        self.wrong.append(Wrong(f"{self.at}/{pointed(name)}", problem))

    def text(self, name: str, longest: int = SHORT) -> str | None:
        """Trimmed text; None when absent or empty. A number is taken as its digits, as forms and sheets send them."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            if isinstance(value, bool) or not isinstance(value, int | float):
                self.note(name, "must be text")
                return None
            value = str(value)
        value = value.strip()
        if len(value) > longest:
            self.note(name, f"must have at most {longest} characters")
            return None
        if "\0" in value:
            self.note(name, "must not contain the character NUL")
            return None
        return value or None

    def _normalised(self, name: str, rule: Callable[[str], str], none: str | None = None) -> str | None:
        """`none`: the identity for which words for nothing count as absent."""
        value = self.text(name)
        if value is None or (none is not None and says_nothing(value, none)):
            return None
        try:
            return rule(value)
        except ValueError as error:
            self.note(name, str(error))
            return None

    def email(self, name: str = "email") -> str | None:
        """A normalised e-mail address."""
        return self._normalised(name, _email, "email")

    def phone(self, name: str = "phone") -> str | None:
        """A phone number in E.164."""
        return self._normalised(name, self._phone, "phone")

    def _phone(self, text: str) -> str:
        found = number_in(text, self.country) if self.country is not None else None
        return normalise_phone(text) if found is None else found

    def opaque(self, name: str) -> str | None:
        """An id of the sender's own."""
        return self._normalised(name, normalise_opaque)

    def time(self, name: str) -> datetime | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            moment = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.note(name, "must be a time with its zone, such as 2026-01-01T10:00:00Z")
            return None
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.note(name, "is out of range")
            return None

    def flag(self, name: str) -> bool | None:
        value = self.data.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.note(name, "must be true or false")
        return None

    def amount(self, name: str) -> str | None:
        """A plain decimal number, as text (`"129.90"`) or as a JSON number."""
        value = self.data.get(name)
        if value is None:
            return None
        found = amount_text(value)
        if found is None:
            self.note(name, "must be a plain decimal number such as 129.90")
        return found

    def currency(self, name: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        code = value.upper()
        if not value.isascii() or not is_currency(code):  # "ß" in upper case is "SS"
            self.note(name, "must be an ISO 4217 code such as EUR")
            return None
        return code

    def money(self, name: str) -> Money | None:
        """`{"amount": "500.00", "currency": "EUR"}`."""
        inner = self.inner(name)
        if inner is None:
            return None
        amount, currency = inner.required(inner.amount, "amount"), inner.required(inner.currency, "currency")
        if amount is not None and amount.startswith("-"):
            inner.note("amount", "must not be negative")
        return Money(amount, currency) if amount is not None and currency is not None else None

    def required(self, reader: Callable[[str], str | None], name: str) -> str | None:
        """Read a field that must be present."""
        before = len(self.wrong)
        value = reader(name)
        if value is None and len(self.wrong) == before:
            self.note(name, "is required")
        return value

    def inner(self, name: str) -> "Fields | None":
        """An inner object; its errors are noted here."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.note(name, "must be an object")
            return None
        return Fields(value, f"{self.at}/{name}", self.wrong)

    def free(self, name: str) -> dict[str, Any]:
        """A free-form object: any JSON, within bounds; {} when absent."""
        value = self.data.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.note(name, "must be an object")
            return {}
        problem = free_form_problem(value)
        if problem is not None:
            self.note(name, problem)
            return {}
        return value


def _email(text: str) -> str:
    try:
        return normalise_email(text)
    except ValueError as error:
        # The library quotes the offending value after these words.
        reason = _QUOTES.split(str(error), maxsplit=1)[0].rstrip()
    raise ValueError(reason)


def amount_text(value: object) -> str | None:
    """A JSON number or text as a plain decimal; None when it is neither."""
    if not isinstance(value, str):
        if isinstance(value, bool):
            return None
        if isinstance(value, int):
            value = str(value)
        elif isinstance(value, float):
            value = f"{value:.6f}".rstrip("0").rstrip(".")
        else:
            return None
    value = value.strip()
    return value if is_amount(value) else None


def name_problem(name: str) -> str | None:
    """Why a sender's own field name cannot be stored; None when it can."""
    if len(name) > LONGEST_NAME:
        return f"must have a name of at most {LONGEST_NAME} characters"
    return "must not contain the character NUL in its name" if "\0" in name else None


def free_form_problem(value: Any) -> str | None:
    """Why a JSON value cannot be stored: too deep, too many, NUL, or an integer beyond 64 bits; None when it can."""
    count, level = 0, [value]
    for _depth in range(DEEPEST + 1):
        below: list[Any] = []
        for each in level:
            problem = _plain_problem(each)
            if problem is not None:
                return problem
            if isinstance(each, dict):
                below += each
                below += each.values()
            elif isinstance(each, list):
                below += each
        count += len(level)
        if count > 2 * MOST_VALUES:  # names and values
            return f"must not hold more than {MOST_VALUES} values"
        if not below:
            return None
        level = below
    return f"must not be nested deeper than {DEEPEST} levels"


def _plain_problem(value: Any) -> str | None:
    if isinstance(value, str):
        return "must not contain the character NUL" if "\0" in value else None
    if isinstance(value, int) and not _SMALLEST_INT <= value <= _LARGEST_INT:
        return "must not contain an integer beyond 64 bits"
    return None
