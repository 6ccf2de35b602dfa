"""What may be believed of an event, whoever sent it."""

from datetime import datetime
from typing import Any

from shared.events.envelope import Event
from shared.events.types import LIKELY_HUMAN


def happened(event: Event) -> datetime:
    """When it counts as of: a sender's clock may be ahead, ours is not; a stranger may say anything."""
    return event.receivedtime if event.trust == "public" else min(event.time, event.receivedtime)


def robot(data: Any) -> bool:
    """Whether it was probably no person's doing."""
    return getattr(data, "human_likelihood", 1.0) < LIKELY_HUMAN
