"""A contact's interests, from what it said, looked at and bought: each halved every 30 days. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from services.scoring.domain.trust import believed, happened, robot
from shared.durations import DAY_S
from shared.events.envelope import Decoded, Event
from shared.events.types import EngagementRecorded, LeadCaptured, PurchaseCompleted
from shared.money import exactly

_HALF_LIFE_S: Final = 30.0 * DAY_S
_SAID: Final = 3.0
_BOUGHT: Final = 5.0
_LONGEST: Final = 100  # characters of a topic


@dataclass(frozen=True, slots=True)
class Interest:
    """A topic, the strength left of all signs of it, and the time of the latest one (seconds since 1970)."""

    topic: str
    strength: float
    last: float


def interests(events: Iterable[Decoded], now: float) -> list[Interest]:
    """The interests at `now`, in seconds since 1970, the strongest first; the order of the events does not matter."""
    found: dict[str, tuple[float, float]] = {}
    for event, data in sorted(events, key=lambda each: (happened(each.event), each.event.id)):
        if robot(data) or not believed(event, data):
            continue
        at = min(now, happened(event).timestamp())
        left = 2.0 ** ((at - now) / _HALF_LIFE_S)
        for topic, weight in _topics(data):
            strength, last = found.get(topic, (0.0, at))
            found[topic] = strength + weight * left, max(last, at)
    of = [Interest(topic, strength, last) for topic, (strength, last) in found.items()]
    return sorted(of, key=lambda each: (-each.strength, each.topic))


def topic_of(text: str) -> str:
    """A topic in lower case; of a URL only its path, which names nobody."""
    plain = text.strip()
    if "://" in plain or plain.startswith("/"):
        try:
            plain = urlsplit(plain).path.rstrip("/") or "/"
        except ValueError:
            return ""
    return plain.casefold()[:_LONGEST]


def items_of(data: PurchaseCompleted) -> list[str]:
    """The items bought, each once: by number, else by name."""
    names = (each.sku or each.name or "" for each in data.items)
    return list(dict.fromkeys(name.strip()[:_LONGEST] for name in names if name.strip()))


def bought_in(event: Event, data: Any) -> list[str]:
    """The items of a paid order, if the sender is trusted with that."""
    if not isinstance(data, PurchaseCompleted) or not believed(event, data) or exactly(data.amount) <= 0:
        return []
    return items_of(data)


def _topics(data: Any) -> Iterator[tuple[str, float]]:
    if isinstance(data, LeadCaptured):
        said = {topic_of(text): weight for text, weight in ((data.form, 1.0), (data.interest, _SAID)) if text}
    elif isinstance(data, EngagementRecorded):
        said = {topic_of(data.what): data.human_likelihood} if data.what else {}
    elif isinstance(data, PurchaseCompleted):
        said = {topic_of(item): _BOUGHT for item in items_of(data)}
    else:
        said = {}
    return ((topic, weight) for topic, weight in said.items() if topic)
