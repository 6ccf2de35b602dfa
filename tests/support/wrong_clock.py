"""A process whose clock is wrong, by Debian's libfaketime."""

from pathlib import Path

from tests.support.missing import missing


def clock_ahead(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is ahead of this machine's."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        missing("FIRSTHOUR_NEED_PROMETHEUS", "libfaketime is a Debian package")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"+{seconds}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
