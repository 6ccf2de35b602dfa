"""What a token without `pii` sees of a person: enough to tell two apart, not enough to reach or to name anybody."""

from collections.abc import Mapping
from typing import Any, Final

_HIDDEN: Final = "***"
# Traits that are no person's own: all others may hold anything, so their texts and numbers are hidden.
_OPEN_TRAITS: Final = frozenset({
    "company", "country", "employees", "industry", "language", "locale", "plan", "role", "size", "time_zone", "title",
})  # fmt: skip


def masked_email(email: str | None) -> str | None:
    """`a***@e***.com` for ada@example.com."""
    if email is None:
        return None
    mailbox, _, domain = email.rpartition("@")
    name, dot, top = domain.rpartition(".")
    return f"{mailbox[:1]}{_HIDDEN}@{name[:1]}{_HIDDEN}{dot}{top if dot else ''}"


def masked_phone(phone: str | None) -> str | None:
    """`+44***61` for +441632960961."""
    return None if phone is None else f"{phone[:3]}{_HIDDEN}{phone[-2:]}"


def masked_name(name: str | None) -> str | None:
    """`A*** L***` for Ada Lovelace."""
    return None if name is None else " ".join(f"{word[:1]}{_HIDDEN}" for word in name.split()[:4])


def masked_traits(traits: Mapping[str, Any]) -> dict[str, Any]:
    """The traits, each hidden but those that are no person's own."""
    return {
        name: value if name in _OPEN_TRAITS or isinstance(value, bool) else _HIDDEN for name, value in traits.items()
    }


def masked_answer(text: str | None) -> str | None:
    """What somebody's server answered, which may repeat an address."""
    return _HIDDEN if text is not None and "@" in text else text


def masked_identity(kind: str, value: str) -> str:
    """An address, a number, or an id that holds an address."""
    if kind == "phone":
        return masked_phone(value) or _HIDDEN
    return masked_email(value) or _HIDDEN if kind == "email" or "@" in value else value
