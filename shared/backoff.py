"""How long to wait before trying a dependency again."""


def exponential(attempt: int, *, jitter: float, first: float = 0.1, longest: float = 10.0) -> float:
    """Seconds before try `attempt` (0 is the first retry): doubling from `first` up to `longest`.

    `jitter` in [0, 1) is the caller's dice; the wait lies in [half, whole) so that crowds spread out.
    """
    whole = min(longest, first * 2.0 ** min(attempt, 30))
    return whole / 2 + whole / 2 * jitter
