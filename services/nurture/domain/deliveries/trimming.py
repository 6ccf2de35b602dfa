"""Writes a follow-up within its limit: the least useful parts are cut first; contact, values and names last."""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

from msgspec import Struct, structs

from services.nurture.domain.deliveries.followup import LARGEST, TRAIT, Content, Followup, Written, encode
from shared.events.identity import LONGEST_ADDRESS

_LONG_TEXT: Final = 1000  # characters, as all below
_SHORT_TEXT: Final = 100
_TINY: Final = 48  # even if each takes six bytes, the last cut fits
_SOME: Final = 10
_LARGEST_NUMBER: Final = 2**64

T = TypeVar("T")


def written(followup: Followup) -> Written:
    """Its JSON, below LARGEST bytes; `trimmed` names what had to be cut for it."""
    encoded = encode(followup)
    content, trimmed = followup.data, set(followup.data.trimmed or ())
    for name, cut in _CUTS:
        if len(encoded) < LARGEST:
            break
        trimmed.add(name)
        content = structs.replace(cut(content), trimmed=sorted(trimmed))
        encoded = encode(structs.replace(followup, data=content))
    return Written(encoded)  # the last cut always fits: a fixed number of short values


def _cut_event_texts(content: Content) -> Content:
    event = structs.replace(content.event, data=_shortened(content.event.data, _LONG_TEXT))
    return structs.replace(content, event=event)


def _cut_traits(content: Content) -> Content:
    contact = content.contact
    traits = {
        key: value
        for key, value in sorted(contact.traits.items())[:_SOME]
        if len(key) <= _SHORT_TEXT and _is_short(value)
    }
    company = _short_or_none(contact.company, _SHORT_TEXT)
    hearsay = _hearsay(contact.hearsay, {*traits, "company", "locale"})
    return structs.replace(content, contact=structs.replace(contact, traits=traits, company=company, hearsay=hearsay))


def _hearsay(names: list[str], traits: Collection[str] = ("company", "locale")) -> list[str]:
    """Of what strangers said, what is still there."""
    return [name for name in names if not name.startswith(TRAIT) or name.removeprefix(TRAIT) in traits]


def _cut_reasons(content: Content) -> Content:
    return structs.replace(content, reasons=content.reasons[:_SOME])


def _cut_event(content: Content) -> Content:
    message = content.event.data.get("message")
    kept = {"message": message[:_LONG_TEXT]} if isinstance(message, str) else {}
    return structs.replace(content, event=structs.replace(content.event, data=kept))


def _cut_all(content: Content) -> Content:
    contact = content.contact
    bare = structs.replace(contact, traits={}, consent={}, hearsay=_hearsay(contact.hearsay))
    short = _shortened(bare, _SHORT_TEXT)
    return structs.replace(
        content,
        contact=structs.replace(short, email=contact.email, phone=contact.phone),  # cut, they would be somebody else's
        reasons=[_shortened(reason, _SHORT_TEXT) for reason in content.reasons[: _SOME // 2]],
        event=_shortened(structs.replace(content.event, data={}), _SHORT_TEXT),
    )


def _cut_to_the_bone(content: Content) -> Content:
    contact, recipient = content.contact, content.recipient
    bare = structs.replace(
        contact,
        traits={},
        consent={},
        company=_short_or_none(contact.company, _TINY),
        hearsay=_hearsay(contact.hearsay),
    )
    tiny = _shortened(
        structs.replace(content, contact=bare, reasons=[], event=structs.replace(content.event, data={})), _TINY
    )
    return structs.replace(
        tiny,
        contact=structs.replace(tiny.contact, email=_whole_or_none(contact.email), phone=_whole_or_none(contact.phone)),
        recipient=recipient and structs.replace(recipient, email=_whole_or_none(recipient.email)),
    )


def _whole_or_none(address: str | None) -> str | None:
    return address if address is not None and len(address) <= LONGEST_ADDRESS else None


def _short_or_none(value: Any, longest: int) -> Any:
    cut = _cut(value, longest)
    return cut if _is_short(cut) else None


def _is_short(value: Any) -> bool:
    match value:
        case str():
            return len(value) <= _SHORT_TEXT
        case int():
            return abs(value) < _LARGEST_NUMBER
    return value is None or isinstance(value, float)


def _shortened(value: T, longest: int) -> T:
    """The value with every text in it cut to `longest` characters."""
    shortened: T = _cut(value, longest)
    return shortened


def _cut(value: Any, longest: int) -> Any:
    match value:
        case str():
            return value if len(value) <= longest else value[: longest - 1] + "…"
        case dict():
            return {key: _cut(each, longest) for key, each in value.items()}
        case list():
            return [_cut(each, longest) for each in value]
        case Struct():
            cut = {name: _cut(getattr(value, name), longest) for name in value.__struct_fields__}
            return structs.replace(value, **cut)
    return value


_CUTS: Final[tuple[tuple[str, Callable[[Content], Content]], ...]] = (
    ("event.data", _cut_event_texts),
    ("contact.traits", _cut_traits),
    ("reasons", _cut_reasons),
    ("event.data", _cut_event),
    ("texts", _cut_all),
    ("all but names and addresses", _cut_to_the_bone),
)
