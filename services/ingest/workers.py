"""Several processes on one port: the kernel spreads the connections, and a worker that dies is restarted.

Each worker has its own producer, spool folder and rate limits. Only `/metrics` adds them up.
"""

import asyncio
import fcntl
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from services.ingest.config.sources import load_sources
from services.ingest.settings import IngestSettings
from shared import log
from shared.errors import ConfigurationError
from shared.runtime.deadlines import KILL_S
from shared.runtime.pause import pause
from shared.runtime.restarts import Restarts

_LOG = log.get(__name__)
_COMMAND: Final = (sys.executable, "-m", "services.cli.main", "ingest", "--worker")
_FIGURES: Final = "firsthour-metrics-"
_HELD: Final = "held"  # locked while its folder is used: the lock ends with the process, however that ends


def run(settings: IngestSettings) -> int:
    """Run `settings.ingest_workers` workers until a signal; the exit code."""
    log.configure("ingest", settings.log_level)
    if settings.ingest_port == 0:
        _LOG.error("configuration", problem="FIRSTHOUR_INGEST_WORKERS needs a fixed FIRSTHOUR_INGEST_PORT, not 0")
        return 1
    try:
        load_sources(settings.config, environment=os.environ, state=settings.state)
    except ConfigurationError as error:  # else every worker would find and log the same
        for problem in error.problems:
            _LOG.error("configuration", problem=str(problem))
        return 1
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_FIGURES) as metrics, held(Path(metrics)):
        asyncio.run(_Workers(settings.ingest_workers, metrics).run())
    return 0


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder of metrics until the end of the block, or of this process."""
    with (folder / _HELD).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(temporary: Path) -> None:
    """Remove the metrics of killed processes."""
    for lock in temporary.glob(f"{_FIGURES}*/{_HELD}"):
        with suppress(OSError), lock.open("r+") as mine:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while a process holds it
            shutil.rmtree(lock.parent, ignore_errors=True)


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
        restarts, now = Restarts(), asyncio.get_running_loop().time
        while not self._stopping.is_set():
            started = now()
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
            again_in_s = restarts.died(ran_s=now() - started, jitter=random.random())  # noqa: S311 - spreads, hides nothing
            _LOG.warning("worker_ended", exit_code=code, times=restarts.in_a_row, again_in_s=round(again_in_s, 1))
            await pause(self._stopping, again_in_s)

    async def _until_ended(self, worker: asyncio.subprocess.Process) -> int:
        ended = asyncio.ensure_future(worker.wait())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                worker.terminate()
                await asyncio.wait((ended,), timeout=KILL_S)
            if not ended.done():
                worker.kill()
            return await ended
        finally:
            stop.cancel()
            if not ended.done():
                worker.kill()
                await ended
