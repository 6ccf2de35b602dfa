"""Runs a service: its HTTP server and its tasks start together, and a dead task ends the process.

Stopping: SIGTERM or Ctrl-C sets `stopping`; the server finishes its requests, tasks finish their batch. What is
not done by the deadline is cancelled; the third Ctrl-C ends it at once.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
import uvloop
from prometheus_client import CollectorRegistry, Gauge

from shared import log
from shared.errors import ConfigurationError, FirsthourError
from shared.http.protocol import http_protocol
from shared.http.slow_clients import SLOWEST_REQUEST_S, hang_up_on_the_slow
from shared.runtime import open_files
from shared.runtime.deadlines import CUT_OFF_S, DRAIN_S
from shared.runtime.pause import pause
from shared.runtime.stages import Task, in_stages
from shared.runtime.stop_signals import StopSignals
from shared.settings import Settings

_LOG = log.get(__name__)
MOST_CONNECTIONS: Final = 4096  # 75 s of idleness each: some fifty new visitors a second
_LAG_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Service:
    """A built service: its HTTP app, and the tasks beside it, which stop stage by stage."""

    app: Callable[..., Any]
    stages: Sequence[Mapping[str, Task]] = ()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the runtime owns the signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    async def main_loop(self) -> None:
        """Wait for the stop. uvicorn's own looks ten times a second, for features not in use here."""
        await self.on_tick(0)  # sets the headers of all responses
        await self._told.wait()

    def stop(self) -> None:
        """Finish the requests under way and end."""
        self.should_exit = True
        self._told.set()


class PortInUse(FirsthourError):  # noqa: N818 - reads as what happened
    """Another process listens on the port."""


def run(
    name: str,
    settings: Settings,
    port: int,
    build: Callable[[], AbstractAsyncContextManager[Service]],
    *,
    worker: bool = False,
) -> int:
    """Run until a signal. Returns the exit code: 0 when stopped on purpose, 1 when something died.

    A `worker` shares its port with others, and also stops when its standard input closes, as its parent has died.
    """
    log.configure(name, settings.log_level)

    try:
        uvloop.run(_until_signalled(settings.host, port, build, worker=worker))
    except ConfigurationError as error:
        for problem in error.problems:
            _LOG.error("configuration", problem=str(problem))
    except PortInUse as error:
        _LOG.error("port_in_use", problem=str(error))
    except asyncio.CancelledError:
        _LOG.warning("aborted")
    except BaseExceptionGroup as group:
        for death in group.exceptions:
            _LOG.error("died", error=type(death).__name__, reason=log.reason(death), exc_info=death)
    else:
        return 0
    return 1


async def _until_signalled(
    host: str, port: int, build: Callable[[], AbstractAsyncContextManager[Service]], *, worker: bool
) -> None:
    stopping = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None
    signals = StopSignals()

    def stop(number: signal.Signals) -> None:
        stopping.set()
        if signals.came(number) == "hurry":
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    if worker:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    async with (
        build() as service,
        serving(service, host=host, port=port, stopping=stopping, share_port=worker) as bound,
    ):
        _calm_the_collector()
        _LOG.info("listening", host=host, port=bound)
        await stopping.wait()
        _LOG.info("stopping")
    _LOG.info("stopped")


def _calm_the_collector() -> None:
    """Run the cyclic garbage collector rarely: a batch allocates tens of thousands of objects and frees them all.

    Python's default, every 700 allocations, costs a third of the time. What is built at start-up stays.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@asynccontextmanager
async def serving(
    service: Service,
    *,
    host: str,
    port: int,
    stopping: asyncio.Event | None = None,
    share_port: bool = False,
    patience_s: float = SLOWEST_REQUEST_S,
    most_connections: int = MOST_CONNECTIONS,
) -> AsyncIterator[int]:
    """Start the service, yield the port it listens on (`port` 0: any free one), and stop it in order.

    A client that takes longer than `patience_s` to send a request or to read its answer is disconnected. No more than
    `most_connections` stay open, nor more than half of the files that this process may open.

    Raises PortInUse, or an ExceptionGroup with what ended a task.
    """
    stopping = stopping or asyncio.Event()
    most_connections = min(most_connections, open_files.raise_limit() // 2)
    listener = _listen(host, port, share_port=share_port)
    config = uvicorn.Config(
        service.app,
        loop="uvloop",
        http=http_protocol(most_connections),  # type: ignore[arg-type]  # it may be any protocol
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # forwarding headers are only believed from configured proxies
        date_header=False,
        timeout_keep_alive=75,  # longer than a proxy's idle time-out, or the proxy sometimes answers 502
        timeout_graceful_shutdown=int(DRAIN_S),
        backlog=2048,
    )
    server = _Server(config)
    try:
        async with asyncio.TaskGroup() as group:
            http = group.create_task(server.serve([listener]), name="http")
            slow = group.create_task(hang_up_on_the_slow(server.server_state.connections, patience_s), name="slow")
            tasks = [
                group.create_task(_until_stopped(name, start, stopping), name=name)
                for name, start in in_stages(service.stages).items()
            ]
            while not server.started and not http.done():
                await asyncio.sleep(0.005)
            yield listener.getsockname()[1]
            stopping.set()
            server.stop()
            slow.cancel()
            _done, late = await asyncio.wait([http, *tasks], timeout=CUT_OFF_S)
            for task in late:
                _LOG.warning("cancelled_after_deadline", task=task.get_name())
                task.cancel()
    finally:
        listener.close()


async def _until_stopped(name: str, start: Task, stopping: asyncio.Event) -> None:
    await start(stopping)
    if not stopping.is_set():
        raise FirsthourError(f"the task {name} ended by itself")


def _listen(host: str, port: int, *, share_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortInUse(f"cannot listen on {host}:{port}: {error.strerror}; free it or set another port") from None
    listener.setblocking(False)
    return listener


def loop_lag(registry: CollectorRegistry) -> Task:
    """A task that measures how late the event loop is: a blocked one costs the process its consumer group."""
    gauge = Gauge(
        "firsthour_event_loop_lag_seconds",
        "How late the event loop is.",
        registry=registry,
        multiprocess_mode="livemax",
    )

    async def measure(stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stopping.is_set():
            before = loop.time()
            await pause(stopping, _LAG_EVERY_S)
            gauge.set(max(0.0, loop.time() - before - _LAG_EVERY_S))

    return measure
