"""Where a visitor may be sent after a form: never just anywhere the form names."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from shared.limits import LONGEST_URL

FIELDS: Final = ("_redirect", "_next")


def redirect_of(form: Mapping[str, object], origins: frozenset[str], default: str | None) -> str | None:
    """The page that the form names, if it is on one of the source's origins; else the source's own, if any."""
    for name in FIELDS:
        asked = form.get(name)
        if isinstance(asked, str) and _allowed(asked, origins):
            return asked
    return default


def _allowed(url: str, origins: frozenset[str]) -> bool:
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False  # browsers parse these differently
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return f"{parts.scheme}://{parts.netloc}".lower() in origins
