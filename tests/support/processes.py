"""The real services as real processes on a given Kafka and Postgres, to be used, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.secrets import ensure_admin_token, read_state_secrets

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "scoring", "nurture")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass
class Firsthour:
    """One installation: its addresses, its secrets, its processes."""

    kafka: str
    database: str
    topic_prefix: str
    folder: Path
    receiver_port: int
    smtp_port: int
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = self.ports or dict(zip(SERVICES, free_ports(3), strict=True))
        self.state = self.folder / "state"
        self.config = self.folder / "config"
        if not self.config.exists():
            shutil.copytree(ROOT / "config", self.config)
            endpoints = self.config / "endpoints.yaml"
            text = endpoints.read_text()
            text = text.replace("127.0.0.1:8090", f"127.0.0.1:{self.receiver_port}")
            endpoints.write_text(text.replace("127.0.0.1:1025", f"127.0.0.1:{self.smtp_port}"))

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONWARNINGS": "default",
            "FIRSTHOUR_KAFKA": self.kafka,
            "FIRSTHOUR_DATABASE": self.database,
            "FIRSTHOUR_TOPIC_PREFIX": self.topic_prefix,
            "FIRSTHOUR_TOPIC_PARTITIONS": "4",
            "FIRSTHOUR_STATE": str(self.state),
            "FIRSTHOUR_CONFIG": str(self.config),
            "FIRSTHOUR_INSTANCE": "test",
            "FIRSTHOUR_CANARY": "off",
            "FIRSTHOUR_CANARY_URL": self.url("ingest"),
            **{f"FIRSTHOUR_{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            **self.settings,
        }

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `firsthour …` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments],
            cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=120, check=check,
        )  # fmt: skip

    def start(self, *names: str) -> None:
        """Start these services (all when none is named); `wait_ready` waits for them."""
        for name in names or SERVICES:
            log = (self.folder / f"{name}.log").open("ab")
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "services.cli.main", name],
                cwd=ROOT, env=self.environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            log.close()

    def wait_ready(self, *names: str, deadline_s: float = 40.0) -> None:
        """Return once each answers /readyz with 200; AssertionError with its last log lines when not."""
        end = time.monotonic() + deadline_s
        for name in names or SERVICES:
            answer = "no answer"
            while time.monotonic() < end:
                try:
                    response = httpx.get(f"{self.url(name)}/readyz", timeout=2)
                    answer = response.text
                    if response.status_code == 200:
                        break
                except httpx.HTTPError as error:
                    answer = type(error).__name__
                if self.processes[name].poll() is not None:
                    raise AssertionError(f"{name} died:\n{self.log(name)}")
                time.sleep(0.05)
            else:
                raise AssertionError(f"{name} is not ready: {answer}\n{self.log(name)}")

    def log(self, name: str, lines: int = 30) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text().splitlines()[-lines:])

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self, names: Sequence[str] = ()) -> dict[str, int]:
        """SIGTERM, and each one's exit code."""
        stopped = {name: self.processes.pop(name) for name in names or list(self.processes)}
        for process in stopped.values():
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(30) for name, process in stopped.items()}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def secret(self, name: str) -> str:
        return read_state_secrets(self.state)[name]

    def key(self, name: str = "WEBSITE_KEY") -> dict[str, str]:
        """The header that opens a source."""
        return {"Authorization": f"Bearer {self.secret(name)}"}

    def token(self) -> dict[str, str]:
        """The header that opens the read and operate APIs."""
        return {"Authorization": f"Bearer {ensure_admin_token(self.state)}"}


@contextmanager
def installed(
    kafka: str, database: str, topic_prefix: str, folder: Path, *, receiver_port: int, smtp_port: int,
    settings: dict[str, str] | None = None, workflows: Mapping[str, str] | None = None,
) -> Iterator[Firsthour]:  # fmt: skip
    """Set up and ready; whatever is still running at the end is killed. `workflows` by name replace those that ship."""
    firsthour = Firsthour(kafka, database, topic_prefix, folder, receiver_port, smtp_port, settings=settings or {})
    if workflows is not None:
        shutil.rmtree(firsthour.config / "workflows")
        (firsthour.config / "workflows").mkdir()
        for name, text in workflows.items():
            (firsthour.config / "workflows" / f"{name}.yaml").write_text(text)
    try:
        done = firsthour.command("setup", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        firsthour.start()
        firsthour.wait_ready()
        yield firsthour
    finally:
        for process in firsthour.processes.values():
            process.kill()
            process.wait(10)
