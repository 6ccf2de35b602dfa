"""How many files this process may have open: connections, the spool, Kafka, the database."""

import resource
from contextlib import suppress
from typing import Final

_ENOUGH: Final = 65_536


def raise_limit() -> int:
    """Allow this process as many as its account may have, 65,536 at most; how many that are.

    A shell allows 1,024, or 256, for the sake of programs that use `select`: ours do not.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if most == resource.RLIM_INFINITY else min(most, _ENOUGH)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(ValueError, OSError):  # macOS says "unlimited", and refuses what is more than the kernel has
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            return wanted
    return _ENOUGH if now == resource.RLIM_INFINITY else now
