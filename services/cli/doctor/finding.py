"""What one test of the doctor found, in words for whoever runs this installation."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

from shared import log

State = Literal["ok", "warning", "wrong"]
PATIENCE_S: Final = 5.0  # for one test


class Finding(NamedTuple):
    """`what` was tested; `said`: what came of it; `do`: what to do about it. None of them holds a secret."""

    what: str
    state: State
    said: str
    do: str = ""


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding(what, "ok", said)


def wrong(what: str, said: str, do: str) -> Finding:
    """It keeps leads from arriving or from being followed up."""
    return Finding(what, "wrong", said, do)


def warning(what: str, said: str, do: str) -> Finding:
    """It may be meant, or will be trouble."""
    return Finding(what, "warning", said, do)


async def survived(what: str, test: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    """What the test finds; one that itself fails is a finding and keeps no other from running."""
    try:
        return await test()
    except Exception as error:  # noqa: BLE001 - the doctor never falls ill
        return [wrong(what, f"the test itself failed: {log.reason(error)}", "tell us: this is a fault of Firsthour")]
