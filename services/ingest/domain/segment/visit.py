"""The page a visitor was on and the campaign that brought them, from `context` and the page's address."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from services.ingest.domain.checks import SHORT, Fields
from services.ingest.domain.fact import read_campaign
from shared.events.types import Campaign
from shared.limits import LONGEST_URL

_MOST_PARAMETERS: Final = 100
_UTM: Final = {
    "utm_source": "source", "utm_medium": "medium", "utm_campaign": "name", "utm_term": "term",
    "utm_content": "content",
}  # fmt: skip
_CLICK_IDS: Final = frozenset(Campaign.__struct_fields__) - {*_UTM.values(), "referrer"}
_PARAMETERS: Final = {**_UTM, **{name: name for name in _CLICK_IDS}}
_MARKS: Final = ("utm_", *sorted(_CLICK_IDS))


def page_url(context: Fields) -> str | None:
    """The address of the page that a message was sent from, cut at 2,000 characters."""
    page = context.data.get("page")
    url = page.get("url") if isinstance(page, dict) else None
    return url[:LONGEST_URL] if isinstance(url, str) and url and "\0" not in url else None


def visit_campaign(context: Fields, properties: dict[str, Any]) -> Campaign | None:
    """The campaign that the context names, completed by what the page's address carries: click ids and UTM."""
    said = read_campaign(context.inner("campaign"))
    page = context.data.get("page")
    at = page if isinstance(page, dict) else {}
    return completed(said, at.get("search"), at.get("url"), properties.get("search"), properties.get("url"))


def completed(said: Campaign | None, *addresses: object) -> Campaign | None:
    """The campaign with what it lacks of the first address that carries a click id or UTM."""
    for address in addresses:
        if isinstance(address, str) and "?" in address and (found := _parameters(address)):
            return msgspec.structs.replace(said, **_missing(said, found)) if said else Campaign(**found)
    return said


def lead_campaign(context: Fields, properties: dict[str, Any]) -> Campaign | None:
    """As `visit_campaign`, and the page of another site that linked here."""
    campaign = visit_campaign(context, properties)
    page = context.data.get("page")
    referrer = page.get("referrer") if isinstance(page, dict) else None
    if not isinstance(referrer, str) or not referrer or "\0" in referrer or _site(referrer) == _site(page_url(context)):
        return campaign
    return msgspec.structs.replace(campaign or Campaign(), referrer=referrer[:SHORT])


def _site(url: str | None) -> list[str]:
    return (url or "").lower().split("/", 3)[:3]


def _parameters(address: str) -> dict[str, str]:
    if not any(mark in address for mark in _MARKS):
        return {}
    query = address[address.find("?") + 1 :].partition("#")[0]
    try:
        pairs = parse_qsl(query, max_num_fields=_MOST_PARAMETERS)
    except ValueError:  # too many of them
        return {}
    return {
        _PARAMETERS[name]: value
        for name, value in reversed(pairs)  # of two, the first counts
        if name in _PARAMETERS and len(value) <= SHORT and "\0" not in value
    }


def _missing(said: Campaign, found: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if getattr(said, name) is None}
