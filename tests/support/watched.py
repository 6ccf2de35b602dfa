"""An installation with a real Prometheus and Alertmanager that watch it, and a receiver where its alerts arrive."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import httpx

from tests.support.mail_server import ScriptedMailServer, mail_server_apart
from tests.support.processes import SERVICES, Firsthour, installed
from tests.support.prometheus import Prometheus, watching
from tests.support.tls import tls_proxy
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

RULES: Final = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
ALERTS: Final = "/alerts"
_QUICKER: Final = 3  # a threshold of a minute becomes 20 s: twice the pause between two looks into Postgres


def quicker(rules: str) -> str:
    """The committed rules: what has to last, lasts a second; ranges are shorter; thresholds in seconds are a third."""
    rules = re.sub(r"for: \w+", "for: 1s", rules)
    rules = re.sub(r"\[(?:5m|15m)\]", "[15s]", rules)
    rules = rules.replace("[10m]", "[60s]")
    rules = rules.replace("offset 15m", "offset 15s")
    rules = rules.replace("source_silence_seconds > 3600", "source_silence_seconds > 10")
    rules = rules.replace("[7d] offset 1d", "[60s] offset 10s")
    rules = rules.replace("firsthour_canary_interval_seconds) + 30", "firsthour_canary_interval_seconds) + 10")
    return re.sub(r"> (60|120|300)\b", lambda found: f"> {int(found[1]) / _QUICKER:.0f}", rules)


@dataclass
class Watched:
    """The installation, what watches it, and what its follow-ups and alerts come to."""

    firsthour: Firsthour
    prometheus: Prometheus
    receiver: Receiver
    mail_server: ScriptedMailServer

    def alerted(self) -> set[str]:
        """The names of all alerts that have arrived."""
        return {labels["alertname"] for labels in self.labels()}

    def labels(self) -> list[dict[str, str]]:
        """Of each alert that has arrived."""
        bodies = [json.loads(each.body) for each in list(self.receiver.received) if each.path == ALERTS]
        return [alert["labels"] for body in bodies for alert in body["alerts"] if alert["status"] == "firing"]

    async def alert(self, *names: str, within_s: float = 90.0) -> None:
        """Wait until each has arrived."""
        try:
            await until(lambda: set(names) <= self.alerted(), within_s, every_s=0.5)
        except AssertionError:
            raise AssertionError(f"not within {within_s} s: {sorted(set(names) - self.alerted())}") from None

    async def over(self, *names: str) -> None:
        """Wait until none of them fires any more."""
        await until(lambda: not set(names) & self.prometheus.alerts(), 60, every_s=0.5)

    async def execute(self, statement: str) -> bool:
        """Run it in the installation's database; whether it found any row."""
        conn = await asyncpg.connect(self.firsthour.database)
        try:
            return not (await conn.execute(statement)).endswith(" 0")
        finally:
            await conn.close()

    async def lead(self, key: str = "WEBSITE_KEY", *, says: str | None = None, **more: object) -> int:
        """Post one, with a key of ours or with what the page `says` is one; the status of the answer."""
        async with httpx.AsyncClient(timeout=20) as http:
            body = {"email": f"{uuid4().hex[:12]}@example.com", "message": "m" * 1000, **more}
            url = f"{self.firsthour.url('ingest')}/v1/leads"
            headers = {"Authorization": f"Bearer {says}"} if says else self.firsthour.key(key)
            return (await http.post(url, json=body, headers=headers)).status_code


@asynccontextmanager
async def watched(
    kafka: str, database: str, topic_prefix: str, folder: Path, receiver: Receiver, *,
    rules: str, every: str = "1s", settings: dict[str, str],
) -> AsyncIterator[Watched]:  # fmt: skip
    """All of it until the block ends. The canary comes in by a proxy whose certificate ends in three days."""
    with (
        mail_server_apart() as mail_server,
        tls_proxy(folder, ends_in=timedelta(days=3)) as proxy,
        installed(
            kafka, database, topic_prefix, folder, receiver_port=receiver.port, smtp_port=mail_server.port,
            settings={
                "FIRSTHOUR_CANARY_URL": f"https://127.0.0.1:{proxy.port}", "SSL_CERT_FILE": str(proxy.ca), **settings
            },
        ) as firsthour,
        watching(
            folder, {name: firsthour.ports[name] for name in SERVICES}, rules=rules, receiver=receiver.url(ALERTS),
            every=every,
        ) as prometheus,
    ):  # fmt: skip
        proxy.before = firsthour.ports["ingest"]
        yield Watched(firsthour, prometheus, receiver, mail_server)
