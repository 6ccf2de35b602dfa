"""What a mail may hold when its reader may be a stranger: only what the request itself said, and of that only names.

So typing somebody else's address into a form reveals nothing, and cannot make us carry the sender's own message.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from services.nurture.domain.deliveries.followup import TRAIT, Content

_LONGEST_NAME: Final = 60  # characters
_MOST_TEXTS: Final = 50
_BESIDE_LETTERS: Final = frozenset(" '\u2019.-")
_LIKE_DOTS: Final = frozenset(
    "\ua4f8\ua4f9\ua4fa\ua4fb\ua78f\u02d0\u02d1\ua789\ua4fd\ufe12"
)  # letters that look like . or :
_TRAITS_AT_HAND: Final = ("company", "locale")
_OURS: Final = ("delivery", "enrolment", "workflow", "version", "step", "channel", "target", "deadline", "purpose")


def may_be_told(content: Content) -> bool:
    """Whether a mail may hold what is stored: only to a proven address, because of a trusted event."""
    return content.recipient is not None and content.recipient.proven and content.event.trust != "public"


def as_known(content: Content) -> dict[str, Any]:
    """The context of a mail to somebody known. Of what only strangers said of them, nothing but names stays."""
    context = content.context
    contact = context["contact"]
    for said in content.contact.hearsay:
        name = said.removeprefix(TRAIT)
        if said in contact:
            contact[said] = _harmless(contact[said])
        elif name in contact["traits"]:
            contact["traits"][name] = _harmless(contact["traits"][name])
        if name in _TRAITS_AT_HAND:
            contact[name] = _harmless(contact[name])
    return context


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return name_like(value)
    return value if isinstance(value, int | float) else None


def as_said(content: Content) -> dict[str, Any]:
    """The context of a mail made from the event alone, leaving out everything but names.

    An event that does not name the mail's address contributes nothing.
    """
    recipient, context = content.recipient, content.context
    texts = _names(content.event.data if recipient is not None and recipient.named else {})
    traits = texts.pop("traits", {})
    contact = {name: texts.get(name) for name in ("name", "interest")} | {
        name: traits.get(name) for name in ("company", "country", "locale")
    }
    return {
        **{name: context[name] for name in _OURS},
        "contact": {
            "email": recipient and recipient.email,
            "proven": recipient is not None and recipient.proven,
            **contact,
            "traits": traits,
        },
        "event": {"type": context["event"]["type"], "time": context["event"]["time"], "data": texts},
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

    Nothing in it may look like a link: mail programs make one of a dot between letters.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split(" "))[:_LONGEST_NAME].strip()
    if not name or not all(_belongs(character) for character in name):
        return None
    return None if _like_a_domain(name) else name


def _belongs(character: str) -> bool:
    if character in _LIKE_DOTS:
        return False
    return character in _BESIDE_LETTERS or unicodedata.category(character)[0] in "LM"


def _like_a_domain(name: str) -> bool:
    """Whether two letters or more follow a dot at once, as in `example.com` and unlike in `J.R. Smith`."""
    _, *after = name.split(".")
    return any(len(part) > 1 and part[0] not in _BESIDE_LETTERS and part[1] not in _BESIDE_LETTERS for part in after)
