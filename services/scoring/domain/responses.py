"""How soon one of us got in touch with a lead, and what the delay cost. Pure."""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from services.scoring.domain import intervals, queue
from services.scoring.domain.contact.contact import ContactState, moment
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.sources import short_name

EDGES_MIN: Final = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)  # a bucket ends at its edge; the last one is open
_LONGEST_NAME: Final = 100


class Bucket(NamedTuple):
    """Answers of one day to leads of one source, by one person, of a similar delay."""

    day: date
    source: str
    rep: str
    bucket: int


class Sums(NamedTuple):
    """The number of answers, and the cost of the delay in base minor units: its sum, and that of its squares."""

    answers: int
    lost: int
    squares: float


def answer(before: ContactState, after: ContactState, who: str, model: Model) -> tuple[Bucket, Sums] | None:
    """The answer that an event is to a lead; None when it is still unanswered, or was answered before."""
    minutes = answered_after(before, after)
    if minutes is None or after.touched is None:
        return None
    at_once = lead_value.at_once(before, model)
    curve = model.queue.curve(model.queue.curve_of(before.source))
    lost = round(at_once - queue.worth(curve, at_once, minutes))
    bucket = bisect_left(EDGES_MIN, minutes)
    named = Bucket(moment(after.touched).date(), short_name(before.source), who[:_LONGEST_NAME], bucket)
    return named, Sums(1, lost, float(lost) * lost)


def answered_after(before: ContactState, after: ContactState) -> float | None:
    """The minutes from a lead's capture until an event answered it; None when the event is no answer to one."""
    if not before.unanswered or after.unanswered or after.touched is None or before.captured is None:
        return None
    return max(0.0, after.touched - before.captured) / 60


def within(answers: Mapping[int, int], minutes: int) -> int:
    """How many took no longer than `minutes`, which is an edge."""
    last = EDGES_MIN.index(minutes)
    return sum(count for bucket, count in answers.items() if bucket <= last)


def median(answers: Mapping[int, int]) -> float | None:
    """Minutes until half were answered, interpolated in the bucket; None beyond the last edge, or without any."""
    return intervals.median(answers, EDGES_MIN)
