"""The supervisor behind `firsthour run`: starts everything on this machine in order, watches it, stops it in order.

Kafka ∥ Postgres → setup → ingest ∥ scoring ∥ nurture ∥ sinks → ready
"""

import asyncio
import functools
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from embedded.brokers.kafka import make_archive
from embedded.brokers.process import Child, ProcessDied, stop_leftovers
from embedded.brokers.stack import READY, Report, Stack, check_ports, first_error, stopped_at_the_end
from embedded.brokers.state import locked
from embedded.supervisor import next_steps
from embedded.supervisor.part_metrics import served
from embedded.supervisor.run_options import RunOptions
from embedded.supervisor.running import Running
from embedded.supervisor.service_children import SERVICES, SINKS, environment, service_child, set_up, until_ready
from embedded.supervisor.start_display import StartDisplay
from embedded.supervisor.supervision import Part, keep_running
from shared.errors import FirsthourError
from shared.runtime.deadlines import KILL_S
from shared.runtime.stop_signals import STOPPING, StopSignals

_ARCHIVE_AFTER_S: Final = 20.0

WhenReady = Callable[[Running], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Supervisor:
    """Everything that one run started. Messages go to standard error, so that programs can read standard output."""

    options: RunOptions
    stack: Stack | None = None
    children: dict[str, Child] = field(default_factory=dict)
    errors: Console = field(default_factory=lambda: Console(stderr=True, soft_wrap=True, highlight=False))

    def say(self, text: str) -> None:
        self.errors.print(f"firsthour: {text}", markup=False)

    def say_error(self, error: FirsthourError) -> None:
        if isinstance(error, ProcessDied) and error.log:
            self.errors.print("\n".join(f"    {line}" for line in error.log.splitlines()), markup=False)
        for line in str(error).splitlines():
            self.say(line)

    def kill_all(self) -> None:
        parts = [self.stack.kafka.child, self.stack.postgres.child] if self.stack else []
        for child in [*self.children.values(), *parts]:
            if child:
                child.kill()


async def run(
    options: RunOptions, *, as_json: bool = False, when_ready: WhenReady | None = None, lead_key: str | None = None
) -> int:
    """Run everything until Ctrl-C, SIGTERM or the end of `when_ready`. Returns the exit code.

    When all is ready: prints what to do next, or one JSON object, or calls `when_ready` and stops when that returns.
    The third Ctrl-C kills instead of stopping; the exit code is then 1. `lead_key`: see next_steps.
    """
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # the trial run's clients log errors while the broker starts
    supervisor = _Supervisor(options)
    work = asyncio.create_task(_run(supervisor, as_json=as_json, when_ready=when_ready, lead_key=lead_key))
    signals = StopSignals()

    def stop(number: signal.Signals) -> None:
        answer = signals.came(number)
        if answer == "stop":
            supervisor.say("stopping; Ctrl-C twice more to abort")
            work.cancel()
        elif answer == "hurry":
            supervisor.say("aborting")
            supervisor.kill_all()

    loop = asyncio.get_running_loop()
    for number in STOPPING:
        loop.add_signal_handler(number, stop, number)
    try:
        await work
    except asyncio.CancelledError:
        if not signals.asked:
            raise
        supervisor.say("aborted" if signals.hurried else "stopped")
    except FirsthourError as error:
        supervisor.say_error(error)
        return 1
    finally:
        for number in STOPPING:
            loop.remove_signal_handler(number)
            if signals.asked:  # a signal that arrives while we exit changes nothing
                signal.signal(number, signal.SIG_IGN)
    return 1 if signals.hurried else 0


async def _run(supervisor: _Supervisor, *, as_json: bool, when_ready: WhenReady | None, lead_key: str | None) -> None:
    async def print_and_wait(running: Running) -> None:
        text = json.dumps(next_steps.as_object(running)) if as_json else next_steps.as_text(running, lead_key)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    with locked(supervisor.options.state) as state:
        left = await stop_leftovers(state)
        if left:
            supervisor.say(f"stopped what a run that was killed had left: {', '.join(left)}")
        async with _everything(supervisor, state) as running:
            await _watched(supervisor, running, (when_ready or print_and_wait)(running))


@asynccontextmanager
async def _everything(supervisor: _Supervisor, state: Path) -> AsyncIterator[Running]:
    """Start everything; yields when all is ready; stops it in order: services, sinks, Kafka and Postgres."""
    options, clock = supervisor.options, asyncio.get_running_loop().time
    began = clock()
    check_ports(options.wanted_ports())
    for name in sorted(options.model_fields_set & {"kafka", "database"}):
        supervisor.say(
            f"FIRSTHOUR_{name.upper()} is set, but `run` brings its own; to use yours, start each service on its own"
        )
    ports = options.chosen_ports()
    supervisor.stack = stack = Stack.of(
        state, kafka_port=options.embedded_kafka_port, postgres_port=options.embedded_postgres_port
    )
    display = StartDisplay(supervisor.errors, clock)
    with display.showing():
        async with stopped_at_the_end(stack):
            its_environment = await _start_stack(options, ports, stack, display.report)
            names = (*SERVICES, SINKS)
            supervisor.children.update({name: service_child(name, state, its_environment) for name in names})
            try:
                await _start_services(supervisor.children, options, ports, display.report)
                display.close()
                yield Running(stack, options, supervisor.children, ports, seconds=clock() - began)
            finally:
                display.close()
                await asyncio.gather(*(supervisor.children[name].stop(KILL_S) for name in SERVICES))
                await supervisor.children[SINKS].stop(KILL_S)


async def _start_stack(options: RunOptions, ports: dict[str, int], stack: Stack, report: Report) -> dict[str, str]:
    """Start Kafka and Postgres and set them up; the environment for the services."""

    async def postgres() -> None:
        await stack.postgres.start(lambda text: report("postgres", text))
        report("postgres", READY)

    async def kafka() -> None:
        await stack.kafka.until_ready()
        report("kafka", READY)

    async def setup() -> None:
        report("setup", "migrations, topics, keys")
        await set_up(stack.state, its_environment)
        report("setup", READY)

    await first_error(postgres(), stack.kafka.launch(lambda text: report("kafka", text)))
    its_environment = environment(options, ports, stack)
    await first_error(kafka(), setup())  # setup migrates while the broker still starts, then waits for it
    return its_environment


async def _start_services(
    children: dict[str, Child], options: RunOptions, ports: dict[str, int], report: Report
) -> None:
    async def start(name: str, child: Child) -> None:
        report(name, "starting")
        child.start()
        await until_ready(name, child, options.reachable_host(name), ports[name])
        report(name, READY)

    await first_error(*(start(name, child) for name, child in children.items()))


async def _watched(supervisor: _Supervisor, running: Running, work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; meanwhile restart whatever dies, and serve `/metrics`."""

    async def again(child: Child) -> None:
        child.start()

    kafka, postgres = running.stack.kafka, running.stack.postgres

    async def archive_later() -> None:
        await asyncio.sleep(_ARCHIVE_AFTER_S)
        await make_archive(kafka.cache)

    parts = [
        Part("kafka", lambda: kafka.child, kafka.start),
        Part("postgres", lambda: postgres.child, postgres.start),
        *(
            Part(name, functools.partial(running.children.get, name), functools.partial(again, child))
            for name, child in running.children.items()
        ),
    ]
    with served(parts, running.options.host, running.ports["run"]):
        aside = asyncio.create_task(archive_later())
        watches = [keep_running(part, supervisor.say) for part in parts]
        tasks: list[asyncio.Task[None]] = [asyncio.create_task(each) for each in [work, *watches]]
        try:
            done, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in [*tasks, aside]:
                task.cancel()
            await asyncio.gather(*tasks, aside, return_exceptions=True)
