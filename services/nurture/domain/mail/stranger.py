"""What a mail may hold whose reader may be a stranger: what the request itself said, and no more of it than a name.

Whoever types somebody else's address into a form learns nothing by it, and cannot make us carry a message of his own.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

_LONGEST_NAME: Final = 60  # characters
_MOST_TEXTS: Final = 50
_BESIDE_LETTERS: Final = frozenset(" '\u2019.-")
_OURS: Final = ("delivery", "enrolment", "workflow", "version", "step", "channel", "target", "deadline", "purpose")


def may_be_told(data: Mapping[str, Any]) -> bool:
    """Whether what is stored may stand in a mail with this context: a proven address, and no public event."""
    recipient = data.get("recipient") or {}
    return recipient.get("proven") is True and (data.get("event") or {}).get("trust") != "public"


def as_said(data: Mapping[str, Any]) -> dict[str, Any]:
    """The context of a mail, made of the event alone; all of it that is no name is left out.

    An event that does not name the mail's address says nothing that its reader may know.
    """
    recipient, event = data.get("recipient") or {}, data.get("event") or {}
    said = event.get("data") if recipient.get("named") is True else None
    texts = _names(said if isinstance(said, Mapping) else {})
    traits = texts.pop("traits", {})
    contact = {name: texts.get(name) for name in ("name", "interest")} | {
        name: traits.get(name) for name in ("company", "country", "locale")
    }
    return {
        **{name: data.get(name) for name in _OURS},
        "contact": {
            "email": recipient.get("email"),
            "proven": recipient.get("proven") is True,
            **contact,
            "traits": traits,
        },
        "event": {"type": event.get("type"), "time": event.get("time"), "data": texts},
    }


def _names(said: Mapping[str, Any], *, deeper: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in list(said.items())[:_MOST_TEXTS]:
        if isinstance(value, str) and (name := name_like(value)) is not None:
            found[key] = name
        elif deeper and key == "traits" and isinstance(value, Mapping):
            found[key] = _names(value, deeper=False)
    return found


def name_like(text: str) -> str | None:
    """The text if it can be a name: letters with their marks, blanks, ' . and -, cut to 60 characters; else None.

    Nothing in it may look like a link: of a dot between letters a mail program makes one.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split(" "))[:_LONGEST_NAME].strip()
    if not name or not all(_belongs(character) for character in name):
        return None
    return None if _like_a_domain(name) else name


def _belongs(character: str) -> bool:
    return character in _BESIDE_LETTERS or unicodedata.category(character)[0] in "LM"


def _like_a_domain(name: str) -> bool:
    """Whether two letters or more follow a dot at once, as in `example.com` and unlike in `J.R. Smith`."""
    _, *after = name.split(".")
    return any(len(part) > 1 and part[0] not in _BESIDE_LETTERS and part[1] not in _BESIDE_LETTERS for part in after)
