"""ingest on granian in the place of uvicorn, to compare the two: same app, same settings, same tasks beside it.

FIRSTHOUR_KAFKA=… FIRSTHOUR_STATE=… python -m benchmarks.ingest_on_granian --port 8000 [--workers 2]
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.bare_asgi import on_granian
from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.runtime.service import _calm_the_collector
from shared.runtime.stages import in_stages


class OnGranian:
    """ASGI: builds ingest when the lifespan starts, closes it when it ends."""

    app: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        assert (await receive())["type"] == "lifespan.startup"
        stopping = asyncio.Event()
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(build(IngestSettings()))
            self.app = service.app
            tasks = [asyncio.create_task(start(stopping)) for start in in_stages(service.stages).values()]
            _calm_the_collector()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            stopping.set()
            await asyncio.wait(tasks, timeout=5)
        await send({"type": "lifespan.shutdown.complete"})


def __getattr__(name: str) -> Any:
    if name == "app":
        return OnGranian()
    raise AttributeError(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    return on_granian("benchmarks.ingest_on_granian:app", options.port, options.workers)


if __name__ == "__main__":
    sys.exit(main())
