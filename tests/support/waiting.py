"""Wait for a state with a deadline, never for a time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(
    predicate: Callable[[], bool | Awaitable[bool]], deadline_s: float = 40.0, *, every_s: float = 0.02
) -> None:
    """Return as soon as the predicate holds; AssertionError when it does not within the deadline."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if loop.time() > end:
            raise AssertionError(f"not within {deadline_s} s: {inspect.getsource(predicate).strip()[:200]}")
        await asyncio.sleep(every_s)
