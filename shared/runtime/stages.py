"""Stops tasks in stages: a stage is told to stop only when every stage before it has ended.

So the writers of facts stop before the publisher of facts, and the publisher before its connection.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeAlias

Task: TypeAlias = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def in_stages(stages: Sequence[Mapping[str, Task]]) -> dict[str, Task]:
    """The same tasks by name: all run at once, and stop stage by stage."""
    staged: dict[str, Task] = {}
    before: list[asyncio.Event] = []
    for stage in stages:
        ended = {name: asyncio.Event() for name in stage}
        for name, task in stage.items():
            staged[name] = _staged(task, list(before), ended[name])
        before += ended.values()
    return staged


def _staged(task: Task, before: Sequence[asyncio.Event], ended: asyncio.Event) -> Task:
    async def run(stopping: asyncio.Event) -> None:
        turn = asyncio.Event()

        async def relay() -> None:
            for event in (stopping, *before):
                await event.wait()
            turn.set()

        relaying = asyncio.create_task(relay())
        try:
            await task(turn)
        finally:
            ended.set()
            relaying.cancel()

    return run
