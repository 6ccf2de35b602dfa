"""Sends a delivery as a webhook: signed for each attempt, over exactly the bytes that were stored."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from services.nurture.channels.sending import Begin, Result, Send
from services.nurture.channels.webhook import connection, http_client
from services.nurture.channels.webhook.http_client import Line
from services.nurture.channels.webhook.signature import signed_headers
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Answered, Impossible, MaybeSent, NotSent
from shared import clock

_FIXED = (("content-type", "application/json"), ("user-agent", "Firsthour"), ("accept", "*/*"))


def webhook_sender(line: Line, keys: Sequence[bytes]) -> Send:
    """The `Send` of the endpoint behind this line; `keys` are its secrets, newest first."""

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        signed = signed_headers(keys, str(given.id), int(clock.utc_now().timestamp()), given.payload)
        reply = await line.post(given.payload, (*_FIXED, *signed.items()))
        match reply:
            case connection.Answered(status, retry_after, excerpt):
                return Result(Answered(status, seconds_of(retry_after, clock.utc_now())), status, excerpt)
            case http_client.NotSent(reason):
                return Result(NotSent(reason))
            case connection.NoAnswer(reason):
                return Result(MaybeSent(reason))
            case http_client.Refused(reason):
                return Result(Impossible(reason))

    return send


def seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """A Retry-After header, which holds seconds or a date, in seconds from now. None if absent or unreadable."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
    except (TypeError, ValueError, OverflowError, IndexError):  # what the parser raises for an invalid date
        return None
