"""Meta lead ads (Facebook, Instagram): the webhook names a lead by its id, the Graph API tells its fields.

https://developers.facebook.com/docs/marketing-api/guides/lead-ads/retrieving
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.answers import Answer, objects, read_answers, words
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, ToFetch, sha256
from services.ingest.domain.hooks.parts import moment, part, text, the_object
from services.ingest.domain.hooks.signatures import check_match, header
from shared.events.types import Campaign

# What is asked of a lead. The names of ads need a permission more than the answers do, and are left out without it.
FIELDS: Final = (
    "created_time", "field_data", "form_id", "ad_id", "ad_name", "adset_id", "adset_name", "campaign_id",
    "campaign_name", "is_organic", "platform",
)  # fmt: skip
_MOST_LEADS: Final = 100
_LONGEST_ID: Final = 32
_BY_NAME: Final = {
    "work_email": "email", "work_phone_number": "phone", "full_name": "name", "first_name": "first",
    "last_name": "last", "company_name": "company",
}  # fmt: skip
_PLATFORMS: Final = {"fb": "facebook", "ig": "instagram"}
_AS_TRAITS: Final = ("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "platform")


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    """No time is signed: a copy makes us fetch the lead again, and is the same event by its id."""
    expected = [f"sha256={sha256(secret.encode(), incoming.body).hex()}" for secret in secrets]
    check_match([header(incoming, "x-hub-signature-256")], expected)


def _read(_incoming: Incoming, body: Any, _options: Mapping[str, Any]) -> Reading:
    found: dict[str, ToFetch] = {}
    ignored: list[str] = []
    wrong: list[Wrong] = []
    for place, entry in objects(the_object(body).get("entry")):
        for index, change in objects(entry.get("changes")):
            at = f"/entry/{place}/changes/{index}"
            if change.get("field") != "leadgen":
                ignored.append(text(change.get("field")) or "none")
                continue
            lead = _to_fetch(change.get("value"), entry)
            if lead is None or len(found) >= _MOST_LEADS:
                wrong.append(Wrong(f"{at}/value/leadgen_id", "must be a lead's number"))
            else:
                found.setdefault(lead.lead_id, lead)
    if wrong and not found:
        raise Refused(wrong)
    ignored += ["leadgen:unreadable"] * len(wrong)  # the good ones beside it are fetched all the same
    return Reading(fetch=tuple(found.values()), ignored=tuple(ignored) if found or ignored else ("none",))


def _to_fetch(value: Any, entry: Mapping[str, Any]) -> ToFetch | None:
    """None unless the id is all digits: it becomes a part of a URL."""
    lead_id = text(part(value, "leadgen_id"))
    if lead_id is None or not (lead_id.isascii() and lead_id.isdigit() and len(lead_id) <= _LONGEST_ID):
        return None
    return ToFetch(
        lead_id,
        form_id=text(part(value, "form_id")),
        page_id=text(part(value, "page_id")) or text(entry.get("id")),
        ad_id=text(part(value, "ad_id")),
        created=moment(part(value, "created_time")),
    )


def read_meta_lead(answer: Mapping[str, Any], to_fetch: ToFetch, options: Mapping[str, Any] | None = None) -> Fact:
    """The lead from the Graph API's response. Raises Refused when there is nobody to answer."""
    ad_id = text(answer.get("ad_id")) or to_fetch.ad_id
    lead = read_answers(
        list(_answers(answer)),
        options or {},
        form=text(answer.get("form_id")) or to_fetch.form_id,
        at="/field_data",
        more={f"meta_{name}": text(answer.get(name)) for name in _AS_TRAITS} | {"meta_ad_id": ad_id},
    )
    told = lead.campaign or Campaign()  # a form may carry tracking parameters of its own
    campaign = msgspec.structs.replace(
        told,
        source=told.source or _PLATFORMS.get(text(answer.get("platform")) or "", "facebook"),
        medium=told.medium or ("organic" if answer.get("is_organic") is True else "paid"),
        name=told.name or text(answer.get("campaign_name")),
        content=told.content or text(answer.get("ad_name")),
    )
    time = _time(answer.get("created_time")) or to_fetch.created
    lead = msgspec.structs.replace(lead, campaign=campaign)
    return Fact("lead.captured", lead.identity, lead, time, to_fetch.lead_id)


def _answers(answer: Mapping[str, Any]) -> Iterator[Answer]:
    for place, each in objects(answer.get("field_data")):
        name, said = text(each.get("name")), words(each.get("values"))
        if name is not None and said is not None:
            # Questions of one's own come as `what_do_you_need?`.
            yield Answer(
                f"/field_data/{place}", name, said, ours=_BY_NAME.get(name), alias=name.replace("_", " ").strip("? ")
            )


def _time(value: Any) -> datetime | None:
    """Graph writes `2026-03-10T11:55:21+0000`, which is ISO 8601 but for the colon in the zone."""
    said = text(value)
    return moment(said[:-2] + ":" + said[-2:]) if said is not None and said[-5:-4] in ("+", "-") else moment(value)


HOOK: Final = Hook(
    kind="meta",
    verify=_verify,
    read=_read,
    options=frozenset({"fields", "verify_token", "access_token"}),
    header="x-hub-signature-256",
)
