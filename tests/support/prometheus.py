"""Real Prometheus, Alertmanager and postgres_exporter for tests, as Debian packages them."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.missing import missing
from tests.support.processes import free_ports

_PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-postgres-exporter")


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str

    def ask(self, query: str) -> list[dict[str, Any]]:
        """What an instant query finds now."""
        answer = self._get("query", query=query)
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def range(self, query: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """What a query finds over a time."""
        answer = self._get("query_range", query=query, start=str(start), end=str(end), step=str(step))
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def alerts(self) -> set[str]:
        """The names of those that fire."""
        found = self._get("alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    def _get(self, what: str, **arguments: str) -> dict[str, Any]:
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{query}", timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
            return document


@contextmanager
def watching(
    folder: Path,
    targets: Mapping[str, int],
    *,
    rules: str | None = None,
    receiver: str | None = None,
    every: str = "1s",
) -> Iterator[Prometheus]:
    """Scrape these ports (by job) so often; with rules, hand alerts to the receiver's URL by way of Alertmanager."""
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            missing("FIRSTHOUR_NEED_PROMETHEUS", f"{program} is a Debian package")
    prometheus, alertmanager = free_ports(2)
    config: dict[str, Any] = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in targets.items()
        ],
    }
    processes = []
    try:
        if rules is not None and receiver is not None:
            (folder / "rules.yml").write_text(rules)
            config["rule_files"] = ["rules.yml"]
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]}
            processes.append(_alertmanager(folder, alertmanager, receiver))
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        processes.append(
            _start(
                folder,
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            )
        )
        yield Prometheus(f"http://127.0.0.1:{prometheus}")
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def _alertmanager(folder: Path, port: int, receiver: str) -> subprocess.Popen[bytes]:
    config = {
        "route": {"receiver": "test", "group_by": ["..."], "group_wait": "1s", "group_interval": "1s"},
        "receivers": [{"name": "test", "webhook_configs": [{"url": receiver}]}],
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    return _start(
        folder,
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )


@contextmanager
def exporting(folder: Path, database: str) -> Iterator[int]:
    """postgres_exporter's port."""
    if shutil.which("prometheus-postgres-exporter") is None:
        missing("FIRSTHOUR_NEED_PROMETHEUS", "prometheus-postgres-exporter is a Debian package")
    (port,) = free_ports(1)
    separator = "&" if "?" in database else "?"
    process = _start(
        folder,
        "prometheus-postgres-exporter",
        f"--web.listen-address=127.0.0.1:{port}",
        DATA_SOURCE_NAME=f"{database}{separator}sslmode=disable",
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _start(folder: Path, program: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    with (folder / f"{program}.log").open("wb") as log:
        return subprocess.Popen(
            [program, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment or None
        )
