"""Several processes on one port: the kernel spreads the connections, and a worker that dies is started again.

Each worker has a producer, a spool file and rate limits of its own. Only what `/metrics` says is added up.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections import deque
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from services.ingest.settings import IngestSettings
from shared import log
from shared.errors import FirsthourError
from shared.pause import pause

_LOG = log.get(__name__)
_COMMAND: Final = (sys.executable, "-m", "services.cli.main", "ingest", "--worker")
_DEATHS: Final = 5
_WITHIN_S: Final = 60.0
_AGAIN_AFTER_S: Final = 0.5
_STOP_S: Final = 25.0


class WorkersKeepDying(FirsthourError):  # noqa: N818 - reads as what happened
    """A worker died too often within a minute; its own log lines say why."""


def run(settings: IngestSettings) -> int:
    """Run `settings.ingest_workers` workers until a signal; the exit code."""
    log.configure("ingest", settings.log_level)
    if settings.ingest_port == 0:
        _LOG.error("configuration", problem="FIRSTHOUR_INGEST_WORKERS needs a fixed FIRSTHOUR_INGEST_PORT, not 0")
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="firsthour-metrics-") as metrics:
            asyncio.run(_Workers(settings.ingest_workers, metrics).run())
    except BaseExceptionGroup as group:
        for death in group.exceptions:
            _LOG.error("workers_stopped", reason=log.reason(death))
        return 1
    return 0


class _Workers:
    def __init__(self, count: int, metrics: str) -> None:
        self._count = count
        self._metrics = metrics
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._keep_one())

    async def _keep_one(self) -> None:
        deaths: deque[float] = deque(maxlen=_DEATHS + 1)
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            # A worker stops when its standard input closes: so also when this process is killed.
            worker = await asyncio.create_subprocess_exec(
                *_COMMAND,
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._metrics},
            )
            code = await self._until_ended(worker)
            mark_process_dead(worker.pid, self._metrics)  # type: ignore[no-untyped-call]  # the library's own way
            if self._stopping.is_set():
                return
            deaths.append(loop.time())
            if sum(1 for at in deaths if at > loop.time() - _WITHIN_S) > _DEATHS:
                raise WorkersKeepDying(f"a worker ended {_DEATHS + 1} times within a minute (exit code {code})")
            _LOG.warning("worker_ended", exit_code=code, again_in_s=_AGAIN_AFTER_S)
            await pause(self._stopping, _AGAIN_AFTER_S)

    async def _until_ended(self, worker: asyncio.subprocess.Process) -> int:
        ended = asyncio.ensure_future(worker.wait())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                worker.terminate()
                await asyncio.wait((ended,), timeout=_STOP_S)
            if not ended.done():
                worker.kill()
            return await ended
        finally:
            stop.cancel()
            if not ended.done():
                worker.kill()
                await ended
