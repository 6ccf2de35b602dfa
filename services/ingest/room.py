"""How many bytes of bodies may be at work at once: memory is bounded whatever is sent, and however many send it."""

from shared.http.problems import Problem


def busy() -> Problem:
    """The answer when there is more to do than can be borne."""
    return Problem(503, "Too many requests at once", "Send it again in a moment.", headers={"Retry-After": "1"})


class Room:
    """What all requests of one process share."""

    def __init__(self, most: int) -> None:
        """`most`: bytes."""
        self._most = most
        self._taken = 0

    def take(self, size: int) -> None:
        """Count what has come in. Raises Problem 503 when there is no room for it."""
        if self._taken + size > self._most:
            raise busy()
        self._taken += size

    def leave(self, size: int) -> None:
        """Give back what one request has taken, once it is answered."""
        self._taken -= size
