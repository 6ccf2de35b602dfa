"""Google Ads lead forms: each lead as a webhook.

Google signs nothing: the key that the advertiser chose stands in the body, and whoever knows it can send leads.

https://developers.google.com/google-ads/webhook/docs/implementation
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.answers import Answer, objects, read_answers, words
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, Unverified
from services.ingest.domain.hooks.parts import moment, part, text, the_object
from services.ingest.domain.hooks.signatures import check_match
from shared.events.types import Campaign

_BY_COLUMN: Final = {
    "EMAIL": "email", "WORK_EMAIL": "email", "PHONE_NUMBER": "phone", "WORK_PHONE": "phone", "FULL_NAME": "name",
    "FIRST_NAME": "first", "LAST_NAME": "last", "COMPANY_NAME": "company", "COUNTRY": "country",
}  # fmt: skip
_TRAITS: Final = {"JOB_TITLE": "role", "CITY": "city", "REGION": "region", "POSTAL_CODE": "postal_code"}
_DECODER: Final = msgspec.json.Decoder()


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    try:
        body = _DECODER.decode(incoming.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unverified("the body is not JSON, so it has no google_key") from None
    key = part(body, "google_key")
    if not isinstance(key, str) or not key:
        raise Unverified("the body has no google_key")
    check_match([key], secrets)


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    if the_object(body).get("is_test") is True:
        return Reading(ignored=("test",))
    lead_id = text(body.get("lead_id"))
    if lead_id is None:
        raise Refused([Wrong("/lead_id", "is required")])
    ids = {name: text(body.get(f"{name}_id")) for name in ("campaign", "adgroup", "creative", "asset_group")}
    lead = read_answers(
        list(_answers(body)),
        options,
        form=text(body.get("form_id")),
        at="/user_column_data",
        more={f"google_{name}_id": value for name, value in ids.items()},
    )
    # The ad brought them: its ids are all that Google tells.
    campaign = Campaign(source="google", medium="cpc", name=ids["campaign"], gclid=text(body.get("gcl_id")))
    lead = msgspec.structs.replace(lead, campaign=campaign)
    return Reading((Fact("lead.captured", lead.identity, lead, moment(body.get("lead_submit_time")), lead_id),))


def _answers(body: Any) -> Iterator[Answer]:
    for place, column in objects(body.get("user_column_data")):
        identifier, said = text(column.get("column_id")) or "", words(column.get("string_value"))
        if said is None:
            continue
        # Google names its own columns in the visitor's language: one trait must not have twenty names.
        name = _TRAITS.get(identifier) or text(column.get("column_name")) or identifier or "answer"
        yield Answer(
            f"/user_column_data/{place}", name, said, ours=_BY_COLUMN.get(identifier), alias=identifier or None
        )


HOOK: Final = Hook(kind="google", verify=_verify, read=_read, options=frozenset({"fields"}), told=True)
