"""Waiting that ends early when it is told to."""

import asyncio
import contextlib


async def pause(told: asyncio.Event, seconds: float) -> None:
    """Return after so many seconds, or as soon as `told` is set: `stopping`, or a hint that there is work."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(told.wait(), seconds)
