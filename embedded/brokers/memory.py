"""How much memory Kafka and Postgres may take: on a small machine a share of it, since a shop may run beside them."""

from typing import Final

import psutil

_MB: Final = 2**20


def megabytes(most: int, *, share: float, of: int | None = None) -> int:
    """`most`, or this share of the machine's memory (`of` bytes; None: this machine's) if that is less."""
    machine = psutil.virtual_memory().total if of is None else of
    return min(most, int(machine * share / _MB))
