"""Every query of every panel finds something in a real Prometheus that scrapes the real services under load.

The picture in the docs is drawn from what they find: FIRSTHOUR_PICTURES=1 writes it.
"""

import asyncio
import json
import os
import re
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import httpx
import pytest

from tests.support.metrics_table import figures
from tests.support.pictures import Drawn, board, lines
from tests.support.processes import SERVICES, Firsthour
from tests.support.prometheus import Prometheus, exporting, watching
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
WRITES = os.environ.get("FIRSTHOUR_PICTURES") == "1"
PICTURE = ROOT / "docs" / "pictures" / "board.svg"
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "deploy" / "grafana" / "boards.py"))


def test_the_boards_are_of_today() -> None:
    for path, text in SCRIPT["written"]().items():
        assert path.read_text() == text, "run `make boards`"


def test_every_panel_has_a_unit_a_query_and_a_runbook_that_exists() -> None:
    known = {figure.name for figure in figures()}
    for name in SCRIPT["BOARDS"]:
        board = json.loads((SCRIPT["FOLDER"] / f"{name.lower()}.json").read_text())
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        for panel in board["panels"]:
            if panel["type"] == "row":
                continue
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["targets"]
            for link in panel["links"]:
                assert (ROOT / "docs" / "runbooks" / Path(link["url"]).name).exists()
            for target in panel["targets"]:
                named = [word for word in known if word in target["expr"]]
                assert named or any(word in target["expr"] for word in ("up{", "process_", "pg_")), target["expr"]


# By Grafana's published schema (github.com/grafana/grafana-foundation-sdk, jsonschema/dashboard.jsonschema.json and
# timeseries.jsonschema.json of June 2026): what each part must have. The schema knows no fields beside its own, so
# those that the boards use are named whole. The boards were held against the schema itself when this was written.
PARTS: dict[str, tuple[set[str], set[str]]] = {
    "board": (
        {"schemaVersion", "templating", "annotations"},
        {"uid", "title", "tags", "timezone", "version", "editable", "refresh", "time", "links", "panels"},
    ),
    "row": ({"type", "collapsed", "id", "panels"}, {"title", "gridPos"}),
    "panel": ({"type"}, {"id", "title", "datasource", "gridPos", "links", "fieldConfig", "options", "targets"}),
    "gridPos": ({"h", "w", "x", "y"}, set()),
    "fieldConfig": ({"defaults", "overrides"}, set()),
    "thresholds": ({"mode", "steps"}, set()),
    "step": ({"value", "color"}, set()),
    "options": ({"legend", "tooltip"}, set()),
    "legend": ({"displayMode", "placement", "showLegend", "calcs"}, set()),
    "tooltip": ({"mode", "sort"}, set()),
    "target": ({"expr"}, {"refId", "legendFormat"}),
    "link": (
        {"title", "type", "icon", "tooltip", "tags", "asDropdown", "targetBlank", "includeVars", "keepTime"}, {"url"},
    ),
}  # fmt: skip


def parts_of(board: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of a board with what it is."""
    yield "board", board
    yield from (("link", link) for link in board["links"])
    for panel in board["panels"]:
        yield "gridPos", panel["gridPos"]
        if panel["type"] == "row":
            yield "row", panel
            continue
        yield "panel", panel
        yield "fieldConfig", panel["fieldConfig"]
        yield "thresholds", (thresholds := panel["fieldConfig"]["defaults"]["thresholds"])
        yield from (("step", step) for step in thresholds["steps"])
        yield "options", (options := panel["options"])
        yield from ((name, options[name]) for name in ("legend", "tooltip"))
        yield from (("target", target) for target in panel["targets"])
        yield from (("link", link) for link in panel["links"])


@pytest.mark.parametrize("name", SCRIPT["BOARDS"])
def test_a_board_has_what_grafana_s_schema_asks_for_and_no_more(name: str) -> None:
    board = json.loads((SCRIPT["FOLDER"] / f"{name.lower()}.json").read_text())
    for what, part in parts_of(board):
        required, more = PARTS[what]
        assert required <= part.keys() <= required | more, (what, part)
    for panel in (each for each in board["panels"] if each["type"] != "row"):
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None, "the first has no bound"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


async def load(firsthour: Firsthour, stopping: asyncio.Event) -> None:
    """Leads, and now and then what is refused."""
    async with httpx.AsyncClient(timeout=20) as http:
        while not stopping.is_set():
            lead = {"email": f"{uuid4().hex[:12]}@example.com", "interest": "pricing"}
            for body in (lead, {"email": "no address"}):
                await http.post(f"{firsthour.url('ingest')}/v1/leads", json=body, headers=firsthour.key())
            await asyncio.sleep(0.2)


@pytest.mark.timeout(240)
async def test_no_panel_is_empty_under_load(firsthour: Firsthour, tmp_path: Path) -> None:
    targets = {name: firsthour.ports[name] for name in SERVICES}
    stopping = asyncio.Event()
    with (
        exporting(tmp_path, firsthour.database) as exporter,
        watching(tmp_path, {**targets, "postgres": exporter}) as prometheus,
    ):
        loading = asyncio.create_task(load(firsthour, stopping))
        try:
            empty = await _until_full(prometheus)
            if WRITES:
                await asyncio.sleep(75)  # a picture of a few seconds shows nothing
            drawn = await asyncio.to_thread(draw, prometheus)
        finally:
            stopping.set()
            await loading
    assert not empty
    ET.fromstring(drawn)
    if WRITES:
        PICTURE.write_text(re.sub(r"\bt[0-9a-f]{6}\.", "", drawn))  # without the prefix of this test's topics


def test_the_picture_in_the_docs_shows_every_panel() -> None:
    shown = "".join(text for text in ET.parse(PICTURE).getroot().itertext())
    for title, panels in SCRIPT["BOARDS"]["Firsthour"].items():
        assert all(words in shown for words in (title, *(panel.title for panel in panels)))


def draw(prometheus: Prometheus) -> str:
    """The first board, of the last two minutes."""
    now = time.time()

    def found(panel: Any) -> Drawn:
        every = [
            line
            for query, legend in panel.queries.items()
            for line in lines(
                prometheus.range(query.replace("$__rate_interval", "30s"), start=now - 120, end=now, step=2), legend
            )
        ]
        return Drawn(panel.title, panel.unit, every, panel.line)

    return board({title: [found(panel) for panel in row] for title, row in SCRIPT["BOARDS"]["Firsthour"].items()})


async def _until_full(prometheus: Prometheus) -> dict[str, list[str]]:
    """The queries that still find nothing after a while, by panel."""
    empty: dict[str, list[str]] = {}

    def full() -> bool:
        empty.clear()
        for panel, queries in SCRIPT["queries"]().items():
            left = [query for query in queries if not _found(prometheus, query)]
            if left:
                empty[panel] = left
        return not empty

    async def asked() -> bool:
        try:
            return await asyncio.to_thread(full)
        except OSError:
            return False  # Prometheus is starting

    try:
        await until(asked, 120, every_s=2)
    except AssertionError:
        return empty or {"Prometheus": ["does not answer"]}
    return {}


def _found(prometheus: Prometheus, query: str) -> bool:
    values = [each["value"][1] for each in prometheus.ask(query.replace("$__rate_interval", "30s"))]
    return any(value != "NaN" for value in values)
