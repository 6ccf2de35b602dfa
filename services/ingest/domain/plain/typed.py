"""The fast path: messages that decode straight into types because nothing in them is wrong.

Such a message is read in a fraction of the time. Any other - a field too long, of another type, of another name - is
none of these: `plain.py` and `segment.py` read it from plain JSON, and say what is wrong with it. Properties in
`tests/unit/ingest` hold both ways to the same facts.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from services.ingest.domain.checks import LONG, LONGEST_WORDING, SHORT
from shared.events.identity import LONGEST_ID
from shared.events.types import Campaign
from shared.limits import LONGEST_URL

Short: TypeAlias = Annotated[str, Meta(max_length=SHORT)]
Long: TypeAlias = Annotated[str, Meta(max_length=LONG)]
Url: TypeAlias = Annotated[str, Meta(max_length=LONGEST_URL)]
Wording: TypeAlias = Annotated[str, Meta(max_length=LONGEST_WORDING)]
Id: TypeAlias = Annotated[str, Meta(max_length=LONGEST_ID)]
Integer: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Value: TypeAlias = str | Integer | float | bool | None
Values: TypeAlias = Annotated[dict[str, Value], Meta(max_length=100)]
Words: TypeAlias = Annotated[dict[str, Short | None], Meta(max_length=100)]

_NUL: Final = b"\\u0000"  # the only way to write NUL in JSON: a bare one is invalid
_CAMPAIGN: Final = frozenset(Campaign.__struct_fields__)


def may_hold_nul(body: bytes) -> bool:
    """Whether a text in this JSON may hold the character NUL."""
    return _NUL in body


def trimmed(text: str | None) -> str | None:
    """The text without spaces around it; None when nothing is left."""
    return (text.strip() or None) if text else None


def campaign_of(words: Mapping[str, str | None] | None) -> Campaign | None:
    """The UTM five and click ids; None when there are none."""
    if not words:
        return None
    found: dict[str, Any] = {
        name: value for name, word in words.items() if word and name in _CAMPAIGN and (value := word.strip())
    }
    return Campaign(**found) if found else None
