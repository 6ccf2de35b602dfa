"""A referral names somebody else, who may ask to be forgotten: the rule for whatever stores the event. Pure."""

from collections.abc import Collection
from typing import Any

import msgspec


def naming_nobody(document: bytes, referrals: Collection[str]) -> bytes:
    """The JSON document, in which the referrals of these event ids name nobody; the same bytes when it has none.

    It may be the event itself, or hold it anywhere within.
    """
    if not any(each.encode() in document for each in referrals):
        return document
    before = msgspec.json.decode(document)
    after = _naming_nobody(before, referrals)
    return document if after == before else msgspec.json.encode(after)


def _naming_nobody(said: Any, referrals: Collection[str]) -> Any:
    if isinstance(said, list):
        return [_naming_nobody(each, referrals) for each in said]
    if not isinstance(said, dict):
        return said
    inside = {name: _naming_nobody(each, referrals) for name, each in said.items()}
    data = inside.get("data")
    if inside.get("id") in referrals and isinstance(data, dict) and "referred" in data:
        inside["data"] = data | {"referred": {}}
    return inside
