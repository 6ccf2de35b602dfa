"""The canary goes the whole way of a lead, and nothing that a business looks at knows of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared import canary
from shared.secrets import ensure_key_secret
from tests.support.processes import SERVICES, Firsthour, installed
from tests.support.stack import Stack, fresh_database, fresh_prefix
from tests.support.waiting import until

HOPS = ("received", "acknowledged", "scored", "enrolled", "attempted", "delivered")
# What the services write about themselves and their work, whoever sends.
OF_THE_SERVICES = {
    "nurture.consumer_offsets", "nurture.schema_version", "nurture.workflow_versions", "scoring.consumer_offsets",
    "scoring.fits", "scoring.models", "scoring.schema_version", "scoring.sweeps",
}  # fmt: skip


@pytest.fixture(scope="module")
def flying(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firsthour]:
    """An installation to which nobody sends anything, with a canary every second."""
    folder: Path = tmp_path_factory.mktemp("canary")
    with (
        fresh_database(stack) as database,
        fresh_prefix(stack) as prefix,
        installed(
            stack.kafka, database, prefix, folder, receiver_port=9, smtp_port=9, settings={"FIRSTHOUR_CANARY": "1s"}
        ) as running,
    ):
        yield running


def samples(firsthour: Firsthour, service: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{firsthour.url(service)}/metrics", timeout=10).text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def passed(firsthour: Firsthour) -> dict[str, float]:
    """How many canaries have passed each hop."""
    return {
        labels["hop"]: count
        for service in SERVICES
        for labels, count in samples(firsthour, service)["firsthour_canary_hop_seconds_count"]
    }


async def rows(firsthour: Firsthour) -> dict[str, int]:
    """The rows of every table of every schema of ours."""
    conn = await asyncpg.connect(firsthour.database)
    try:
        tables = await conn.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('scoring', 'nurture')"
        )
        names = [row["name"] for row in tables]
        return {name: await conn.fetchval(f"SELECT count(*) FROM {name}") for name in names}
    finally:
        await conn.close()


async def several(firsthour: Firsthour, more: int = 4) -> None:
    """Wait until so many more have come back."""
    before = passed(firsthour)["delivered"]
    await until(lambda: passed(firsthour)["delivered"] >= before + more, 60, every_s=0.5)


async def test_it_passes_every_hop_and_leaves_no_row(flying: Firsthour) -> None:
    await several(flying, 1)
    before = await rows(flying)
    await several(flying)
    assert await rows(flying) == before, "nothing grows"
    assert {name for name, count in before.items() if count} <= OF_THE_SERVICES
    counts = passed(flying)
    assert set(counts) == set(HOPS)
    assert all(counts.values())


async def test_no_list_and_no_export_shows_it(flying: Firsthour) -> None:
    await several(flying, 1)
    asked = 0
    for service in ("scoring", "nurture"):
        paths: dict[str, Any] = httpx.get(f"{flying.url(service)}/openapi.json", timeout=10).json()["paths"]
        for path, methods in paths.items():
            if "get" in methods and "{" not in path and path.startswith("/v1/"):
                with httpx.stream("GET", f"{flying.url(service)}{path}", headers=flying.token(), timeout=10) as answer:
                    if answer.headers["content-type"].startswith("text/event-stream"):  # it never ends
                        continue
                    answer.read()
                assert "canary" not in answer.text, path
                if answer.status_code == 200 and "items" in (found := answer.json()):
                    asked += 1
                    assert path == "/v1/endpoints" or not found["items"] or "models" in path, path
    assert asked >= 6
    assert "canary" not in httpx.get(f"{flying.url('ingest')}/v1/sources", headers=flying.token(), timeout=10).text
    for what in ("contacts", "bookings", "events"):
        assert len(flying.command("export", what).stdout.splitlines()) == 1, "the header alone"


async def test_no_other_figure_counts_it(flying: Firsthour) -> None:
    await several(flying, 1)
    for service in SERVICES:
        for name, found in samples(flying, service).items():
            if not name.startswith("firsthour_canary_"):
                assert not any("canary" in label for labels, _ in found for label in labels.values()), name
    before = business(flying)
    await several(flying)
    assert business(flying) == before
    assert not any(of for name, of in before.items() if "leads" in name or "windows" in name)


def business(firsthour: Firsthour) -> dict[str, float]:
    """The sums of the figures that say how much people send and what is done about it."""
    found = {name: of for service in SERVICES for name, of in samples(firsthour, service).items()}
    named = ("firsthour_ingest_", "firsthour_lead", "firsthour_scoring_", "firsthour_nurture_", "firsthour_places_")
    ours = ("disk", "spool", "timer_lag", "news_age")  # of this machine and its clock
    under_way = ("unpublished",)  # between two offsets at the moment of looking, whatever lies there
    return {
        name: sum(value for _, value in of)
        for name, of in found.items()
        if name.startswith(named) and not any(part in name for part in ours + under_way)
    }


async def test_status_says_that_it_came_back(flying: Firsthour) -> None:
    await several(flying, 1)
    assert "the last canary lead came back" in flying.command("status", "--once", check=False).stdout


def test_nobody_else_can_send_one_or_say_that_it_is_back(flying: Firsthour) -> None:
    lead = {"email": "ada@example.com"}
    for url in (f"/f/{canary.NAME}", f"/hooks/{canary.NAME}"):
        assert httpx.post(f"{flying.url('ingest')}{url}", data=lead, timeout=10).status_code == 404
    other = canary.write_key(b"another installation's secret").decode()
    for key in (other, canary.NAME):
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(f"{flying.url('ingest')}/v1/leads", json=lead, headers=headers, timeout=10)
        assert answer.status_code == 401
    back = {"webhook-id": "x", "webhook-timestamp": "1764430000", "webhook-signature": "v1,AAAA"}
    answer = httpx.post(f"{flying.url('nurture')}/canary", headers=back, content=b"{}", timeout=10)
    assert answer.status_code == 401
    assert httpx.post(f"{flying.url('nurture')}/canary", content=b"{}", timeout=10).status_code == 422


def test_no_source_and_no_import_takes_its_name(flying: Firsthour, tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("email\nada@example.com\n")
    done = flying.command("import", str(tmp_path / "leads.csv"), "--source", canary.NAME, "--yes", check=False)
    assert done.returncode == 2
    sources = flying.config / "sources.yaml"
    before = sources.read_text()
    try:
        sources.write_text(f"sources:\n  {canary.NAME}: {{kind: form}}\n")
        assert "the name of the canary" in (told := flying.command("check", check=False)).stdout + told.stderr
    finally:
        sources.write_text(before)


def test_its_keys_are_of_this_installation_alone(tmp_path: Path) -> None:
    one, other = (ensure_key_secret(tmp_path / name).encode() for name in ("one", "other"))
    keys = {canary.write_key(one), canary.write_key(other), canary.return_key(one), canary.return_key(other)}
    assert len(keys) == 4
