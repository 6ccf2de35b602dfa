"""Postmark: bounces, complaints and changes of subscription.

https://postmarkapp.com/developer/webhooks/webhooks-overview: it signs nothing; the secret stands in the URL, in its
path or as the password.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading
from services.ingest.domain.hooks.mailing.words import PURPOSE, consent, purpose_of
from services.ingest.domain.hooks.parts import moment, text, the_object
from services.ingest.domain.hooks.told import check_told

# Of https://postmarkapp.com/developer/api/bounce-api#bounce-types: those after which Postmark sends no more.
_HARD: Final = frozenset(
    {"HardBounce", "BadEmailAddress", "SpamNotification", "SpamComplaint", "ManuallyDeactivated", "Unsubscribe"}
)

_BY_A_PERSON: Final = ("ManualSuppression", "Unsubscribe")  # an unsubscribe shows as the first


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    event = the_object(body)
    kind = text(event.get("RecordType")) or "none"
    address = event.get("Email") or event.get("Recipient")
    time = moment(event.get("BouncedAt")) or moment(event.get("ChangedAt"))
    given, purpose = False, None
    if kind in ("Bounce", "SpamComplaint"):
        why = text(event.get("Type")) or kind
        if kind == "Bounce" and why not in _HARD and event.get("Inactive") is not True:
            return Reading(ignored=(f"{kind}/{why}",))
        own = text(event.get("ID")) or text(event.get("MessageID"))
    elif kind == "SubscriptionChange":
        given = event.get("SuppressSending") is False
        why = "subscribed again" if given else text(event.get("SuppressionReason")) or "unsubscribed"
        purpose = purpose_of(options) if given or why in _BY_A_PERSON else None
        own = f"{address}:{text(event.get('MessageStream'))}:{text(event.get('ChangedAt'))}"
    else:
        return Reading(ignored=(kind,))
    if own is None:
        raise Refused([Wrong("/ID", "is required")])
    fact = consent(
        address, given=given, proof=f"Postmark: {why}", sender_id=f"{kind}:{own}"[:250], time=time, purpose=purpose
    )
    if fact is None:
        raise Refused([Wrong("/Email", "must be an e-mail address")])
    return Reading((fact,))


HOOK: Final = Hook("postmark", check_told, _read, options=frozenset({PURPOSE}), told=True, early=True)
