"""A row that raises is parked with its reason, and its neighbours go on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.tables import LONGEST_REASON
from shared import log
from shared.db.transient import suppress_unless_transient
from shared.errors import Permanent

_LOG = log.get(__name__)


class Row(Protocol):
    """A row with an id."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...


R = TypeVar("R", bound=Row)


@dataclass(slots=True)
class Done:
    """The result of some rows: endpoint queues with new rows, and what to count after the commit."""

    sendable: set[str] = field(default_factory=set)
    count: list[Callable[[], object]] = field(default_factory=list)


async def work_off(
    conn: AsyncConnection,
    kind: str,
    rows: Sequence[R],
    do: Callable[[AsyncConnection, Sequence[R]], Awaitable[Done]],
    park: Callable[[AsyncConnection, Mapping[UUID, str]], Awaitable[None]],
) -> tuple[int, Done]:
    """Process locked rows in the caller's transaction; if that fails, halve them until the failing row is alone.

    Returns how many there were, and their result. Transient errors propagate: they are no row's fault.
    """
    if not rows:
        return 0, Done()
    with suppress_unless_transient() as failed:
        async with conn.begin_nested():
            return len(rows), await do(conn, rows)
    if len(rows) == 1 and failed.error is not None:
        reason = reason_of(failed.error)
        _LOG.error("row_parked", kind=kind, id=str(rows[0].id), reason=reason)
        await park(conn, {rows[0].id: reason})
        return 1, Done()
    middle = len(rows) // 2
    _, some = await work_off(conn, kind, rows[:middle], do, park)
    _, others = await work_off(conn, kind, rows[middle:], do, park)
    return len(rows), Done(some.sendable | others.sendable, some.count + others.count)


def reason_of(error: BaseException) -> str:
    """Why a row was parked. Only messages written for people are quoted: others may hold personal data."""
    if isinstance(error, Permanent):
        return str(error)[:LONGEST_REASON]
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__} in {_place(error)}"[:LONGEST_REASON]


def _place(error: BaseException) -> str:
    """The innermost frame of our own code; of a statement, whose it is rather than where all of them are run."""
    place, trace = "?", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith(("services.", "shared.")) and not (place != "?" and module.startswith("shared.db.")):
            place = f"{module}.{code.co_name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
