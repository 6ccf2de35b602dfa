"""Children end when they should, also when their parent could not end them; strangers are left alone."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from embedded.brokers.process import Child, Command, ProcessDied, stop_leftovers
from embedded.brokers.state import StateUnusable
from embedded.supervisor.supervision import Part, keep_running
from tests.support.waiting import until

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
)  # fmt: skip


def child(state: Path, *arguments: str, name: str = "part") -> Child:
    return Child(Command(name, arguments, dict(os.environ)), state)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_what_it_writes_is_in_its_log_and_its_end_is_known(tmp_path: Path) -> None:
    one = child(
        tmp_path, sys.executable, "-c", "import sys; print('hello'); print('trouble', file=sys.stderr); exit(3)"
    )
    one.start()
    assert await one.ended() == 3
    assert set(one.tail().splitlines()) == {"hello", "trouble"}
    assert one.log_path == tmp_path / "logs" / "part.log"
    assert one.log_path.parent.stat().st_mode & 0o077 == 0, "a log is for its owner alone, also root's"


async def test_a_later_start_shows_only_its_own_lines(tmp_path: Path) -> None:
    first = child(tmp_path, sys.executable, "-c", "print('first')")
    first.start()
    await first.ended()
    second = child(tmp_path, sys.executable, "-c", "print('second')")
    second.start()
    await second.ended()
    assert second.tail() == "second"


async def test_stop_asks_first_and_kills_who_does_not_listen(tmp_path: Path) -> None:
    polite = child(tmp_path, *SLEEP)
    polite.start()
    await polite.stop(10)
    assert polite.exit_code == -signal.SIGTERM

    deaf = child(tmp_path, *STUBBORN)
    deaf.start()
    await until(lambda: "deaf" in deaf.tail())
    await deaf.stop(0.2)
    assert deaf.exit_code == -signal.SIGKILL
    assert not list((tmp_path / "run").glob("*.pid"))


async def test_its_own_children_end_with_it(tmp_path: Path) -> None:
    parent = child(
        tmp_path, sys.executable, "-c",
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(p.pid, flush=True); p.wait()",
    )  # fmt: skip
    parent.start()
    await until(lambda: parent.tail().strip().isdigit())
    parent.kill()
    await until(lambda: gone(int(parent.tail())))


def test_what_cannot_be_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProcessDied, match="part cannot be started"):
        child(tmp_path, "/nowhere/at/all").start()


PARENT = """
import os, sys, time
from pathlib import Path
from embedded.brokers.process import Child, Command
child = Child(Command("part", tuple(sys.argv[2:]), dict(os.environ)), Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


def orphan(state: Path, *arguments: str) -> int:
    """A child whose parent was killed; its pid."""
    with subprocess.Popen([sys.executable, "-c", PARENT, str(state), *arguments], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    return pid


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell a child that its parent died")
async def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    pid = orphan(tmp_path, *SLEEP)
    await until(lambda: gone(pid))


async def test_a_leftover_is_found_by_its_pid_file_and_stopped(tmp_path: Path) -> None:
    pid = orphan(tmp_path, *STUBBORN)
    await until(lambda: "deaf" in (tmp_path / "logs" / "part.log").read_text() or gone(pid))
    if not gone(pid):  # it was deaf before its parent died
        assert await stop_leftovers(tmp_path, deadline_s=0.2) == ["part"]
        assert gone(pid)
    assert await stop_leftovers(tmp_path) == []
    assert not list((tmp_path / "run").glob("*.pid"))


@pytest.mark.parametrize("lie", [{"created": 1.0}, {"arguments": ["another", "program"]}])
async def test_a_stranger_with_the_number_of_a_leftover_is_left_alone(tmp_path: Path, lie: dict[str, object]) -> None:
    stranger = child(tmp_path, *SLEEP)
    stranger.start()
    path = tmp_path / "run" / "part.pid"
    path.write_text(json.dumps(json.loads(path.read_text()) | lie))
    try:
        assert await stop_leftovers(tmp_path) == []
        assert stranger.alive
        assert not path.exists()
    finally:
        stranger.kill()


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"pid": 99999999}'])
async def test_a_broken_pid_file_is_no_obstacle(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "part.pid").write_text(text)
    assert await stop_leftovers(tmp_path) == []


async def kept(part: Part, said: list[str], over: Callable[[], bool], **how: float) -> None:
    keeping = asyncio.create_task(keep_running(part, said.append, **how))
    try:
        await until(lambda: over() or keeping.done())
        assert not keeping.done(), keeping.exception()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_who_keeps_dying_is_never_given_up_and_the_pauses_grow(tmp_path: Path) -> None:
    one = child(tmp_path, sys.executable, "-c", "print('no bread'); exit(4)", name="baker")
    one.start()
    said: list[str] = []

    async def start() -> None:
        one.start()

    part = Part("baker", lambda: one, start)
    await kept(part, said, lambda: part.deaths >= 8, first_pause_s=0.001)
    assert said[0].startswith("baker ended (exit code 4: no bread); starting it again in 0.0 s. Its log: ")
    assert said[2].startswith("baker ended 2 times in a row (exit code 4: no bread); starting")
    assert part.in_a_row == part.deaths
    assert 0.06 < part.pause_s <= 0.128 or part.deaths > 8, "half to all of 0.001 s doubled seven times"


async def test_who_cannot_even_be_started_is_tried_again(tmp_path: Path) -> None:
    one = child(tmp_path, sys.executable, "-c", "exit(4)")
    one.start()
    troubles = [ProcessDied("the baker is ill", "Address in use"), OSError("no room"), StateUnusable("gone")]
    said: list[str] = []

    async def start() -> None:
        if troubles:
            raise troubles.pop(0)
        one.command = Command("part", SLEEP, dict(os.environ))
        one.start()

    part = Part("baker", lambda: one, start)
    try:
        await kept(part, said, lambda: part.up and part.deaths >= 4, first_pause_s=0.001)
    finally:
        one.kill()
    assert [line.partition(";")[0] for line in said[:4]] == [
        "baker ended (exit code 4)",
        "baker ended 2 times in a row (the baker is ill: Address in use)",
        "baker ended 3 times in a row (OSError: no room)",
        "baker ended 4 times in a row (StateUnusable: gone)",
    ]


async def test_who_runs_for_a_while_is_well_again(tmp_path: Path) -> None:
    one = child(tmp_path, *SLEEP)
    one.start()
    said: list[str] = []

    async def start() -> None:
        one.start()

    part = Part("baker", lambda: one, start)
    one.kill()
    try:
        await kept(part, said, lambda: "baker is well again" in said, first_pause_s=0.001, well_after_s=0.1)
    finally:
        one.kill()
    assert (part.deaths, part.in_a_row, part.pause_s) == (1, 0, 0.0)
