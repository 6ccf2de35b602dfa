"""Mailgun: who unsubscribed or complained, and where nothing arrives.

https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks and …/webhooks/securing-webhooks: the body is
JSON, and the signature is HMAC-SHA256 of timestamp and token, in the body itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, Unverified, sha256
from services.ingest.domain.hooks.mailing.words import PURPOSE, consent, purpose_of
from services.ingest.domain.hooks.parts import part, text, the_object
from services.ingest.domain.hooks.parts import seconds as moment_of
from services.ingest.domain.hooks.signatures import check_age, check_match

_DECODER: Final = msgspec.json.Decoder()
_GONE: Final = {"unsubscribed": "unsubscribed", "complained": "marked it as spam", "failed": "permanent failure"}

# https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-types: permanent are also mails of which the
# retries ended, which says little of the address, and those to somebody who had unsubscribed (`suppress-unsubscribe`).
_GIVEN_UP: Final = "old"


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    try:
        body = _DECODER.decode(incoming.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unverified("the body is not JSON, so it has no signature") from None
    stamp, token, given = (text(part(body, "signature", name)) for name in ("timestamp", "token", "signature"))
    if stamp is None or token is None or given is None:
        raise Unverified("the body has no signature")
    signed = f"{stamp}{token}".encode("utf-8", "replace")
    check_match([given], [sha256(secret.encode(), signed).hex() for secret in secrets])
    check_age(stamp, incoming.now)


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    event = the_object(body).get("event-data")
    kind, event_id = text(part(event, "event")) or "none", text(part(event, "id"), 200)
    why = _GONE.get(kind)
    reason = text(part(event, "reason"), 60) or ""
    if why is None or (kind == "failed" and (part(event, "severity") != "permanent" or reason == _GIVEN_UP)):
        return Reading(ignored=(kind,))
    if event_id is None:
        raise Refused([Wrong("/event-data/id", "is required")])
    fact = consent(
        part(event, "recipient"),
        given=False,
        proof=f"Mailgun: {why}",
        sender_id=event_id,
        time=moment_of(part(event, "timestamp")),
        purpose=purpose_of(options) if "unsubscribe" in (kind + reason) else None,
    )
    if fact is None:
        raise Refused([Wrong("/event-data/recipient", "must be an e-mail address")])
    return Reading((fact,))


HOOK: Final = Hook("mailgun", _verify, _read, options=frozenset({PURPOSE}))
