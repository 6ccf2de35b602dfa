"""Why a message cannot be read, in words that hold none of its content: reasons are logged, stored and shown."""

import re
from typing import Final

import msgspec

# msgspec quotes what it found in these; in all others it names types, and fields of ours.
_QUOTING: Final = {
    "Invalid enum value": "a value that is none of those allowed",
    "Invalid value": "a value that is none of those allowed",
    "Object contains unknown field": "an unknown field",
}
_QUOTED: Final = re.compile(r"'.*'", re.DOTALL)


def without_values(error: msgspec.MsgspecError) -> str:
    """What is wrong, and at which field, without the value of that field."""
    text = str(error)
    problem, at, path = text.rpartition(" - at ")
    if not at:
        problem, path = text, ""
    for beginning, instead in _QUOTING.items():
        if text.startswith(beginning):
            problem = instead
    where = f" at {path}" if re.fullmatch(r"`[\w$.\[\]]+`", path, re.ASCII) else ""
    return _QUOTED.sub("(a value)", problem) + where
