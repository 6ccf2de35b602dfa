"""Mailchimp's audience webhooks: who left the list, whose address is dead, who joined, who changed address.

https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/: the body is a form (`data[email]=…`), the
address is asked by GET first, and nothing is signed: the secret stands in the URL.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading
from services.ingest.domain.hooks.mailing.words import PURPOSE, consent, purpose_of
from services.ingest.domain.hooks.parts import full_name, moment_in_utc, part, person, text, the_object, told
from services.ingest.domain.hooks.told import check_told
from shared.events.types import ContactIdentified

_WORDS: Final = {"subscribe": True, "unsubscribe": False, "cleaned": False}


def _read(incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    kind = text(the_object(body).get("type")) or "none"
    own = hashlib.sha256(incoming.body).hexdigest()
    time = moment_in_utc(body.get("fired_at"))
    data = body.get("data")
    if kind in ("upemail", "profile"):
        who = person(email=part(data, "new_email") or part(data, "email"), user_id=part(data, "web_id"))
        if who is None:
            raise Refused([Wrong("/data/email", "must be an e-mail address")])
        name = full_name(part(data, "merges", "FNAME"), part(data, "merges", "LNAME"))
        traits = told({"company": text(part(data, "merges", "COMPANY"))})
        known = ContactIdentified(identity=who, name=name, traits=traits)
        return Reading((Fact("contact.identified", who, known, time, own),))
    if kind not in _WORDS:
        return Reading(ignored=(kind,))
    why = text(part(data, "reason")) or text(part(data, "action")) or kind
    given = _WORDS[kind]
    gone_for_good = kind == "cleaned" or why == "abuse"
    fact = consent(
        part(data, "email"),
        given=given,
        proof=f"Mailchimp: {why}, list {text(part(data, 'list_id')) or 'unknown'}",
        sender_id=own,
        time=time,
        purpose=None if gone_for_good else purpose_of(options),
    )
    if fact is None:
        raise Refused([Wrong("/data/email", "must be an e-mail address")])
    return Reading((fact,))


HOOK: Final = Hook("mailchimp", check_told, _read, options=frozenset({PURPOSE}), told=True, early=True)
