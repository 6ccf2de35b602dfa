"""Changes for pages that watch: one query serves all, and each page continues from where it was."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.store import changes
from services.scoring.store.changes import Change
from shared.db.turns import take_turns

MOST: Final = 200  # pages that watch one process
_LOOK_S: Final = 0.5
_IDLE_S: Final = 2.0  # while nobody watches
_PAGE: Final = 500
_BEAT_S: Final = 15.0


class Watching:
    """`run` is a task of the service."""

    def __init__(self, engine: AsyncEngine, most: int = MOST) -> None:
        """`most`: pages that may watch at once."""
        self._engine = engine
        self._most = most
        self._head = 0
        self._moved = asyncio.Condition()
        self._stopped = False
        self._watchers = 0

    @property
    def is_full(self) -> bool:
        """Whether no further page may watch."""
        return self._watchers >= self._most

    async def run(self, stopping: asyncio.Event) -> None:
        """Look until stopped, then end every watch."""
        try:
            await take_turns("watching_waits", self._look, stopping)
        finally:
            self._stopped = True
            async with self._moved:
                self._moved.notify_all()

    async def _look(self) -> float:
        if not self._watchers:
            return _IDLE_S
        async with self._engine.connect() as conn:
            head = await changes.newest(conn)
        if head != self._head:
            self._head = head
            async with self._moved:
                self._moved.notify_all()
        return _LOOK_S

    async def begin(self, after: int | None) -> tuple[int, bool]:
        """Where to continue from, and whether changes in between have been lost."""
        async with self._engine.connect() as conn:
            newest = await changes.newest(conn)
            if after is None:
                return newest, False
            kept = after <= newest and await changes.is_kept(conn, after)
        return (after, False) if kept else (newest, True)

    async def follow(self, after: int, longest_s: float) -> AsyncGenerator[Change | None, None]:
        """Every later change as it comes; None as a sign of life. Ends after a time, or with the service."""
        until = asyncio.get_running_loop().time() + longest_s
        self._watchers += 1
        try:
            while not self._stopped and asyncio.get_running_loop().time() < until:
                seen = self._head
                async with self._engine.connect() as conn:
                    found = await changes.after(conn, after, _PAGE)
                for change in found:
                    yield change
                    after = change.transaction
                if len(found) < _PAGE and not await self._news(seen):
                    yield None
        finally:
            self._watchers -= 1

    async def _news(self, seen: int) -> bool:
        """Wait for a change; False when there was none for a while."""
        try:
            async with asyncio.timeout(_BEAT_S), self._moved:
                await self._moved.wait_for(lambda: self._stopped or self._head != seen)
        except TimeoutError:
            return False
        return True
