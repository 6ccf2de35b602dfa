"""Senders that sign nothing: the secret itself is in the URL, or in a header.

Whoever reads the URL in a proxy's log has the secret; so it opens only this source, and is as long as a key.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from services.ingest.domain.hooks.hook import Incoming, Unverified
from services.ingest.domain.hooks.signatures import check_match

NAMES: Final = ("secret", "token", "key")  # of the query
_MOST: Final = 20


def in_path(url: str) -> str | None:
    """The rest of the path after the source's name."""
    steps = urlsplit(url).path.rsplit("/hooks/", 1)[-1].split("/", 1)
    return unquote(steps[1]) or None if len(steps) > 1 else None


def in_query(url: str, name: str) -> str | None:
    """A value of the query. A plus is one: secrets hold no blanks, and are pasted into URLs as they are."""
    try:
        pairs = parse_qsl(urlsplit(url).query.replace("+", "%2B"), max_num_fields=_MOST)
    except ValueError:
        return None
    return next((value for each, value in pairs if each == name), None)


def in_basic(authorization: str) -> str | None:
    """The password of HTTP Basic; the user's name where there is none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(rest.strip(), validate=True).decode("latin-1").partition(":")
    except binascii.Error:
        return None
    return password or user or None


def check_told(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    """Check that the path, the query or HTTP Basic holds one of the secrets. Raises Unverified."""
    given = list(_given(incoming))
    if not given:
        raise Unverified(
            "the secret is missing: it stands in the URL, as in /hooks/<source>/<secret>, or in HTTP Basic"
        )
    check_match(given, secrets)


def _given(incoming: Incoming) -> Iterator[str]:
    found = (
        in_path(incoming.url),
        *(in_query(incoming.url, name) for name in NAMES),
        in_basic(incoming.headers.get("authorization", "")),
    )
    yield from (each for each in found if each)
