"""`firsthour run`, as a person or a program uses it: real processes from the first to the last."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from embedded.brokers.ports import free_port, is_free
from embedded.brokers.state import locked
from shared.secrets import ensure_admin_token, read_state_secrets
from tests.support.stack import reachable_folder
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
SERVICES = ("ingest", "scoring", "nurture")
READY_S = 90.0


@dataclass
class Place:
    """A state folder and a configuration of its own, and ports that stay."""

    state: Path
    config: Path
    ports: dict[str, int]

    def environment(self) -> dict[str, str]:
        own = {name: text for name, text in os.environ.items() if not name.startswith("FIRSTHOUR_")}
        kept = {name: text for name, text in os.environ.items() if name == "FIRSTHOUR_CACHE"}
        ports = {f"FIRSTHOUR_{name}_PORT": str(port) for name, port in self.ports.items()}
        return {**own, **kept, **ports, "PYTHONUNBUFFERED": "1"}

    def command(self, *arguments: str) -> list[str]:
        folders = ["--state", str(self.state), "--config", str(self.config)]
        return [sys.executable, "-m", "services.cli.main", "run", *folders, *arguments]

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it where it is expected to end by itself."""
        return subprocess.run(
            self.command(), env={**self.environment(), **environment}, cwd=ROOT, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    async def beside(self, *arguments: str) -> tuple[int | None, str]:
        """Another command, told nothing but the folders and the services' ports: its exit code, and what it said."""
        own = {"FIRSTHOUR_STATE": str(self.state), "FIRSTHOUR_CONFIG": str(self.config)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli.main", *arguments, env={**self.environment(), **own}, cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, said.decode()

    @asynccontextmanager
    async def running(self, *arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *self.command(*arguments), env={**self.environment(), **environment}, cwd=ROOT, start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
def place() -> Iterator[Place]:
    with reachable_folder() as folder:
        yield _place(folder)


def _place(folder: Path) -> Place:
    shutil.copytree(ROOT / "config", folder / "config")
    names = ("EMBEDDED_KAFKA", "EMBEDDED_POSTGRES", "INGEST", "SCORING", "NURTURE", "DEMO", "DEMO_SMTP", "RUN")
    ports: dict[str, int] = {}
    for name in names:
        ports[name] = free_port(ports.values())
    endpoints = folder / "config" / "endpoints.yaml"
    text = endpoints.read_text().replace(":8090", f":{ports['DEMO']}").replace(":1025", f":{ports['DEMO_SMTP']}")
    endpoints.write_text(text)
    return Place(folder / "Ada's state, 100%", folder / "config", ports)


async def ready_object(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout
    assert process.stderr
    line = await asyncio.wait_for(process.stdout.readline(), READY_S)
    if not line:
        pytest.fail((await process.stderr.read()).decode())
    ready = json.loads(line)
    assert isinstance(ready, dict)
    return ready


def gone(pids: list[int]) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)
    return False


async def known(client: httpx.AsyncClient, place: Place, email: str) -> bool:
    answer = await client.get(
        f"http://127.0.0.1:{place.ports['SCORING']}/v1/contacts",
        params={"email": email},
        headers={"Authorization": f"Bearer {ensure_admin_token(place.state)}"},
    )
    return answer.status_code == 200 and bool(answer.json()["items"])


async def pasted(command: str, **environment: str) -> Any:
    """What a shell makes of it, read as JSON."""
    shell = {**os.environ, **environment}
    return json.loads(await asyncio.to_thread(subprocess.check_output, ["sh", "-c", command], env=shell))


@pytest.mark.timeout(300)
async def test_everything_starts_is_kept_running_stops_and_starts_again_with_its_data(place: Place) -> None:
    async with httpx.AsyncClient(timeout=10) as client:
        async with place.running("--json") as process:
            ready = await ready_object(process)
            assert ready["pids"]["run"] == process.pid
            assert ready["ports"]["ingest"] == place.ports["INGEST"]
            pids = list(ready["pids"].values())
            assert len(pids) == 7
            for name in SERVICES:
                assert (await client.get(f"{ready['urls'][name]}/readyz")).status_code == 200
            key = read_state_secrets(place.state)["WEBSITE_KEY"]
            lead = {"email": "grace@example.com"}
            answer = await client.post(
                f"{ready['urls']['ingest']}/v1/leads", json=lead, headers={"Authorization": f"Bearer {key}"}
            )
            assert answer.status_code == 202
            await until(lambda: known(client, place, "grace@example.com"))
            for command in (["doctor"], ["queue"]):
                code, said = await place.beside(*command)
                assert code == 0, said
                assert "Traceback" not in said

            os.kill(ready["pids"]["scoring"], signal.SIGKILL)
            await until(lambda: gone([ready["pids"]["scoring"]]))

            async def scoring_is_back() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    return (await client.get(f"{ready['urls']['scoring']}/readyz")).status_code == 200
                return False

            await until(scoring_is_back, 40)
            process.terminate()
            _out, errors = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0
            assert "scoring ended (killed by signal 9" in errors.decode()
            assert "Traceback" not in errors.decode()
        assert gone(pids)
        assert all(is_free(port) for port in place.ports.values())
        assert not list((place.state / "run").iterdir())

        async with place.running() as process:
            assert process.stdout
            text = ""
            while "Ctrl-C" not in text:
                line = await asyncio.wait_for(process.stdout.readline(), READY_S)
                assert line
                text += line.decode()
            seconds = re.search(r"ready \(([\d.]+) s\)", text)
            assert seconds
            assert float(seconds[1]) < READY_S
            assert await known(client, place, "grace@example.com"), "what was there before"
            post, ask = re.findall(r"^  (curl .*\\\n.*)$", text, re.MULTILINE)
            if shutil.which("curl"):
                assert (await pasted(post))["status"] == "accepted"
                await until(lambda: known(client, place, "ada@example.com"))
                assert (await pasted(ask))["items"][0]["name"] == "Ada"
            os.killpg(process.pid, signal.SIGINT)  # as the terminal does
            _out, errors = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0
            assert "is set" not in errors.decode(), "what the first run left was set by nobody"
        assert all(is_free(port) for port in place.ports.values())


@pytest.mark.timeout(120)
async def test_the_third_ctrl_c_ends_it_at_once_and_leaves_nothing(place: Place) -> None:
    async with place.running("--json") as process:
        ready = await ready_object(process)
        os.kill(ready["pids"]["ingest"], signal.SIGSTOP)  # it does not stop: the stop would take its whole deadline
        said = b""
        for words in (b"stopping", b"", b"aborting"):
            process.send_signal(signal.SIGINT)
            assert process.stderr
            while words not in said:
                said += await asyncio.wait_for(process.stderr.readline(), 10)
            await asyncio.sleep(0.2)  # two signals in the same moment are one
        await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 1
    await until(lambda: gone(list(ready["pids"].values())))


@pytest.mark.timeout(120)
async def test_signals_that_come_while_it_stops_change_nothing(place: Place) -> None:
    async with place.running("--json") as process:
        ready = await ready_object(process)

        async def again_and_again() -> None:
            with contextlib.suppress(ProcessLookupError):
                while process.returncode is None:
                    # Not send_signal: it asks whether the process has ended, and takes its exit code away from asyncio.
                    os.kill(process.pid, signal.SIGTERM)
                    await asyncio.sleep(0.003)

        process.send_signal(signal.SIGINT)
        signals = asyncio.create_task(again_and_again())
        _out, errors = await asyncio.wait_for(process.communicate(), 60)
        await signals
        assert process.returncode == 0, errors.decode()
        assert "aborting" not in errors.decode()
        assert errors.decode().endswith("firsthour: stopped\n")
    assert gone(list(ready["pids"].values()))
    assert not list((place.state / "run").iterdir())
    assert all(is_free(port) for port in place.ports.values())


@pytest.mark.timeout(120)
async def test_a_key_of_the_user_s_own_is_named_and_the_shell_s_other_variables_change_nothing(place: Place) -> None:
    sources = place.config / "sources.yaml"
    sources.write_text(sources.read_text().replace("env:WEBSITE_KEY", "env:MY_OWN_KEY"))
    mine = {"MY_OWN_KEY": "fh_a-key-that-nobody-else-has"}
    hostile = {
        "PGSSLMODE": "verify-full", "PGTARGETSESSIONATTRS": "read-only", "http_proxy": "http://nonsense.invalid:1",
        "ALL_PROXY": "http://nonsense.invalid:1", "JAVA_TOOL_OPTIONS": "-Xmx1k", "JDK_JAVA_OPTIONS": "-version",
        "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Mars/Olympus",
        "KAFKA_OPTS": "-Dno=such", "KAFKA_HEAP_OPTS": "-Xmx1k", "CLASSPATH": "/nowhere",
    }  # fmt: skip
    async with place.running(**mine, **hostile) as process:
        assert process.stdout
        text = ""
        while "Ctrl-C" not in text:
            line = await asyncio.wait_for(process.stdout.readline(), READY_S)
            if not line:
                assert process.stderr
                pytest.fail((await process.stderr.read()).decode())
            text += line.decode()
        assert "in a shell that has your MY_OWN_KEY" in text
        assert "Bearer $MY_OWN_KEY" in text
        assert mine["MY_OWN_KEY"] not in text
        curl = re.search(r"^  (curl .*\\\n.*)$", text, re.MULTILINE)
        assert curl
        if shutil.which("curl"):
            assert (await pasted(curl[1], **mine))["status"] == "accepted"
            async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
                await until(lambda: known(client, place, "ada@example.com"))
        process.terminate()
        await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0


@pytest.mark.timeout(400)
async def test_what_keeps_dying_closes_nobody_s_door_and_comes_back_once_mended(place: Place) -> None:
    template = next((place.config / "templates").glob("*.txt*"))
    whole = template.read_text()
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client, place.running("--json") as process:
        ready = await ready_object(process)
        key = read_state_secrets(place.state)["WEBSITE_KEY"]
        said: list[str] = []

        async def listen() -> None:
            assert process.stderr
            while line := await process.stderr.readline():
                said.append(line.decode())

        listening = asyncio.create_task(listen())

        async def metrics() -> str:
            return (await client.get(f"{ready['urls']['run']}/metrics")).text

        async def it_has_died_often() -> bool:
            lead = {"email": f"grace{len(said)}@example.com"}
            answer = await client.post(
                f"{ready['urls']['ingest']}/v1/leads", json=lead, headers={"Authorization": f"Bearer {key}"}
            )
            assert answer.status_code == 202
            await asyncio.sleep(0.1)
            found = re.search(r'firsthour_part_deaths_in_a_row{part="nurture"} (\d)', await metrics())
            assert found
            return int(found[1]) >= 5

        template.write_text(whole + "{% if %}")
        os.kill(ready["pids"]["nurture"], signal.SIGKILL)
        await until(it_has_died_often, 150)
        assert 'firsthour_part_up{part="ingest"} 1.0' in await metrics()
        loud = [line for line in said if line.startswith("firsthour: nurture ended 4 times in a row")]
        assert template.name in loud[0], "the reason's last line"
        template.write_text(whole)

        async def it_is_back() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return (await client.get(f"{ready['urls']['nurture']}/readyz")).status_code == 200
            return False

        await until(it_is_back, 100)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
        await listening


@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start finds them by their pid files")
async def test_when_it_is_killed_nothing_stays(place: Place) -> None:
    async with place.running("--json") as process:
        ready = await ready_object(process)
        process.kill()
        await process.wait()
        await until(lambda: gone(list(ready["pids"].values())), 30)
    assert all(is_free(port) for port in place.ports.values())


def test_all_taken_ports_are_named_at_once_with_what_changes_them(place: Place) -> None:
    with (
        socket.create_server(("127.0.0.1", place.ports["INGEST"])),
        socket.create_server(("127.0.0.1", place.ports["DEMO_SMTP"])),
    ):
        done = place.run()
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert f"port {place.ports['INGEST']} is taken" in lines[0]
    assert "set FIRSTHOUR_INGEST_PORT to another" in lines[0]
    assert "set FIRSTHOUR_DEMO_SMTP_PORT to another" in lines[1]
    assert not (place.state / "kafka").exists(), "nothing was started"


def test_a_state_in_use_is_said_in_one_line(place: Place) -> None:
    with locked(place.state):
        done = place.run()
    assert done.returncode == 1
    assert re.fullmatch(rf"firsthour: another `firsthour run` \(pid {os.getpid()}\) uses .* --state\n", done.stderr)


@pytest.mark.timeout(120)
def test_a_mistake_in_the_configuration_ends_the_start_with_its_place(place: Place) -> None:
    (place.config / "endpoints.yaml").write_text("webhooks: {nonsense: 1}\n")
    done = place.run()
    assert done.returncode == 1
    assert "endpoints.yaml" in done.stderr
    assert "setup failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert all(is_free(port) for port in place.ports.values()), "what had started is stopped again"


def test_an_impossible_port_is_named(place: Place) -> None:
    done = place.run(FIRSTHOUR_INGEST_PORT="99999")
    assert done.returncode == 1
    assert "FIRSTHOUR_INGEST_PORT" in done.stderr
    assert "Traceback" not in done.stderr
