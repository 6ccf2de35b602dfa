"""What one check of the doctor found, in words for whoever runs this installation."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

from shared import log

State = Literal["ok", "warning", "wrong"]
PATIENCE_S: Final = 5.0  # for one check


class Finding(NamedTuple):
    """`what` was checked; `said`: the result; `do`: what to do about it. None of them holds a secret."""

    what: str
    state: State
    said: str
    do: str = ""


class Place(NamedTuple):
    """Where a service listens."""

    host: str
    port: int
    secure: bool = False


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding(what, "ok", said)


def wrong(what: str, said: str, do: str) -> Finding:
    """It keeps leads from arriving or from being followed up."""
    return Finding(what, "wrong", said, do)


def warning(what: str, said: str, do: str) -> Finding:
    """It may be intended, or will become trouble."""
    return Finding(what, "warning", said, do)


async def survived(what: str, test: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    """What the check finds; a check that itself fails becomes a finding and stops no other."""
    try:
        return await test()
    except Exception as error:  # noqa: BLE001 - a failing check is a finding
        return [wrong(what, f"the check itself failed: {log.reason(error)}", "this is a bug in Firsthour: report it")]
