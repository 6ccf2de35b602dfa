"""How far somebody has come, and when: facts, each the earliest time of something, so that no order of events matters.

What a robot did is left out. A stranger's purchase or touch is not believed (trust.py) and never gets here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from services.scoring.domain.trust import robot
from shared.durations import DAY_S
from shared.events.types import (
    Campaign,
    ContactIdentified,
    ContactTouched,
    EngagementRecorded,
    FeedbackGiven,
    LeadCaptured,
    PurchaseCompleted,
    ReferralMade,
)
from shared.money import exactly

_PROMOTER: Final = 9  # of an NPS answer, 0 to 10
_LONGEST_NAME: Final = 100
_LOOKING: Final = ("_viewed", "email_opened")  # how kinds of engagement end that are no answer


class First(NamedTuple):
    """When (seconds since 1970), and what was named then."""

    at: float
    name: str


class Journey(Struct, frozen=True, array_like=True):
    """The first time, in seconds since 1970, of each; None or empty: never.

    `seen`: anything a person did, with the source that told of it. `campaign`: the first that was named. `asked`: a
    lead. `did`: more than looking at a page or a mail. `bought`: the first purchase, and the first of a later day.
    `advocated`: named somebody else, or was a promoter. `via`: the first UTM source that was named.
    """

    seen: First | None = None
    campaign: First | None = None
    asked: float | None = None
    did: float | None = None
    bought: tuple[float, ...] = ()
    advocated: float | None = None
    via: First | None = None


SET_OUT: Final = Journey()


def told(journey: Journey, data: Any, at: float, source: str) -> Journey:
    """The journey after an event, the same object where it adds nothing. `source`: its short name."""
    rule = _RULES.get(type(data))
    if rule is None or robot(data) or (rule is _engaged and _is_nothing_new(journey, data, at)):
        return journey
    return joined(journey, rule(data, at, First(at, source)))


def _is_nothing_new(journey: Journey, data: EngagementRecorded, at: float) -> bool:
    """Whether all that it says is known already, as of most that somebody does: asked first because it is cheap."""
    seen, did = journey.seen, journey.did
    return (
        seen is not None
        and seen.at < at
        and ((did is not None and did <= at) or data.kind.endswith(_LOOKING))
        and (data.campaign is None or (_named(journey.campaign, at) and _named(journey.via, at)))
    )


def _named(first: First | None, at: float) -> bool:
    return first is not None and first.at < at


def joined(a: Journey, b: Journey) -> Journey:
    """Both as one person's; `a` itself where `b` adds nothing."""
    both = Journey(
        _earlier(a.seen, b.seen),
        _earlier(a.campaign, b.campaign),
        _earlier(a.asked, b.asked),
        _earlier(a.did, b.did),
        _first_two((*a.bought, *b.bought)) if b.bought else a.bought,
        _earlier(a.advocated, b.advocated),
        _earlier(a.via, b.via),
    )
    return a if both == a else both


def together(a: Journey | None, b: Journey | None) -> Journey | None:
    """Both as one person's; None while that of one is not known."""
    return None if a is None or b is None else joined(a, b)


def _touched(data: ContactTouched, at: float, _seen: First) -> Journey:
    return Journey(did=at) if data.human and data.outcome == "reached" else SET_OUT


def _identified(_data: ContactIdentified, _at: float, seen: First) -> Journey:
    return Journey(seen)


def _engaged(data: EngagementRecorded, at: float, seen: First) -> Journey:
    did = None if data.kind.endswith(_LOOKING) else at
    return Journey(seen, _campaign(data.campaign, at), did=did, via=_via(data.campaign, at))


def _asked(data: LeadCaptured, at: float, seen: First) -> Journey:
    return Journey(seen, _campaign(data.campaign, at), asked=at, via=_via(data.campaign, at))


def _bought(data: PurchaseCompleted, at: float, seen: First) -> Journey:
    return Journey(seen, bought=(at,) if exactly(data.amount) > 0 else ())


def _referred(_data: ReferralMade, at: float, seen: First) -> Journey:
    return Journey(seen, did=at, advocated=at)


def _said(data: FeedbackGiven, at: float, seen: First) -> Journey:
    return Journey(seen, did=at, advocated=at if data.kind == "nps" and data.score >= _PROMOTER else None)


_RULES: Final[Mapping[type, Callable[[Any, float, First], Journey]]] = {
    ContactTouched: _touched,
    ContactIdentified: _identified,
    EngagementRecorded: _engaged,
    LeadCaptured: _asked,
    PurchaseCompleted: _bought,
    ReferralMade: _referred,
    FeedbackGiven: _said,
}


def _campaign(said: Campaign | None, at: float) -> First | None:
    """Its name, else its source; people write both in any case."""
    return None if said is None else _first(said.name or said.source, at)


def _via(said: Campaign | None, at: float) -> First | None:
    """Its UTM source."""
    return None if said is None else _first(said.source, at)


def _first(said: str | None, at: float) -> First | None:
    name = spelt(said or "")
    return First(at, name) if name else None


def spelt(name: str) -> str:
    """The name of a campaign or UTM source, as it is compared."""
    return name.strip().lower()[:_LONGEST_NAME]


def _earlier(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def _first_two(times: tuple[float, ...]) -> tuple[float, ...]:
    """The earliest, and the earliest of a later day (UTC)."""
    first = min(times)
    later = [each for each in times if each // DAY_S > first // DAY_S]
    return (first, min(later)) if later else (first,)
