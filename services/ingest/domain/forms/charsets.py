"""The encoding of a form: the declared one, else UTF-8, else Windows-1252.

No body is refused for its encoding: the page's author chose it, and the visitor cannot change it.
"""

import codecs
import re
from collections.abc import Sequence
from typing import Final

from python_multipart.multipart import parse_options_header

# The field in which browsers tell the encoding (HTML, "Naming form controls: the _charset_ attribute").
TOLD_IN: Final = "_charset_"
# Those of https://encoding.spec.whatwg.org that extend ASCII; no others are looked up.
_TAKEN: Final = re.compile(
    r"utf-?8|iso-?8859-?\d\d?|windows-(874|125\d)|koi8-[ru]|shift[-_]jis|euc-(jp|kr)|gbk|gb2312|gb18030|big5", re.ASCII
)
# Browsers mean Windows-1252 by these.
_WINDOWS: Final = frozenset({"iso8859-1", "ascii"})


def charset_of(content_type: bytes) -> str | None:
    """The encoding that a Content-Type declares, if we take it."""
    if b"charset" not in content_type.lower():
        return None
    return charset_named(parse_options_header(content_type)[1].get(b"charset", b"").decode("latin-1"))


def charset_named(name: str) -> str | None:
    """The encoding of this name, if we take it."""
    plain = name.strip().lower()
    if plain == "us-ascii":
        return "cp1252"
    if _TAKEN.fullmatch(plain) is None:
        return None
    try:
        found = codecs.lookup(plain).name
    except LookupError:
        return None
    return "cp1252" if found in _WINDOWS else found


def letters(content: bytes, declared: Sequence[str | None] = ()) -> str:
    """The text of the bytes."""
    if content.isascii():
        return content.decode("ascii")
    for charset in (*declared, "utf-8"):
        if charset is not None:
            try:
                return content.decode(charset)
            except UnicodeDecodeError:
                continue
    return content.decode("cp1252", "replace")
