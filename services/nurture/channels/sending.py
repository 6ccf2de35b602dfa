"""What a channel does with a delivery: it sends it and returns the outcome."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one attempt. `status` and `excerpt`: the receiver's response, for people to read.

    `about_us`: a mail server refused it because of who we are (login, sender, reputation), not of whom it is for.
    """

    outcome: Outcome
    status: int | None = None
    excerpt: str | None = None
    about_us: bool = False


class NotBegun(Exception):  # noqa: N818 - reads as what happened
    """This delivery must not be sent now: it was withdrawn, somebody else holds it, or the database is down."""


class Refused(Exception):  # noqa: N818 - reads as what happened
    """This delivery must never be sent; the message is the reason."""


Begin: TypeAlias = Callable[[], Awaitable[None]]
"""Notes that sending begins. Awaited once, right before the first byte that a receiver may act on.

Raises NotBegun or Refused: then nothing may leave.
"""

Send: TypeAlias = Callable[[StoredDelivery, Begin], Awaitable[Result]]
"""One attempt. Raises NotBegun and Refused from `Begin` and nothing of the receiver's."""
