"""A limit on how often: the generic cell rate algorithm, which needs one number per sender and no timer."""

from typing import NamedTuple


class Rate(NamedTuple):
    """So many a second in the long run, and as many as `burst` at once."""

    per_second: float
    burst: int


def take(due: float, rate: Rate, now: float, count: int = 1) -> tuple[float, float]:
    """The sender's new `due` and 0.0 when so many more may pass, else its old `due` and the seconds to wait.

    More than the burst never pass at once. `due` is the theoretical arrival time (ITU-T I.371, annex A); 0.0 for a
    sender not seen before. `now` in the same seconds, of a clock that never goes back.
    """
    each = 1.0 / rate.per_second
    wait = max(due - now, 0.0) - each * (rate.burst - count)
    if wait > 0:
        return due, wait
    return max(due, now) + each * count, 0.0


def parse_rate(text: str) -> Rate:
    """`100/s`, `30/m`, `1000/h`: the burst is as many as the number says. Raises ValueError."""
    count, slash, unit = text.strip().partition("/")
    seconds = {"s": 1, "m": 60, "h": 3600}.get(unit.strip())
    if not slash or seconds is None or not count.strip().isdigit() or int(count) < 1:
        raise ValueError("must be a rate such as 100/s, 30/m or 1000/h")
    return Rate(int(count) / seconds, int(count))
