# ruff: noqa: INP001 - a script, not a package
"""Grafana's boards, from one list of panels: `make boards` writes dashboards/*.json, and a test runs every query.

The first board asks the four questions of `firsthour status`, from top to bottom; beside it there is one for each
service, to dig in. A panel has its unit, the line above which somebody has to do something, and the runbook that says
what.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "dashboards"
_WIDTH, _HEIGHT, _ACROSS = 8, 7, 3
_BOOK = "/public/runbooks/{}.md"  # served by Grafana itself: docker-compose.yml mounts them there


class Panel(NamedTuple):
    """One picture. `queries`: PromQL and how each line is called; `line`: the threshold."""

    title: str
    unit: str
    queries: dict[str, str]
    line: float | None = None
    runbook: str | None = None


def _worst(figure: str, by: str) -> str:
    return f"max by ({by}) ({figure})"


def _p95(histogram: str, by: str) -> str:
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate({histogram}_bucket[$__rate_interval])))"


def _hourly(counter: str, by: str) -> str:
    return f"sum by ({by}) (increase({counter}[1h]))"


def _rate(counter: str, by: str) -> str:
    return f"sum by ({by}) (rate({counter}[$__rate_interval]))"


BOARDS: dict[str, dict[str, list[Panel]]] = {
    "Firsthour": {
        "Is anybody late?": [
            Panel(
                "First-hour windows of 24 hours",
                "short",
                {_worst("firsthour_nurture_windows", "workflow, state"): "{{workflow}}: {{state}}"},
            ),
            Panel(
                "Leads whose window is nearly over",
                "short",
                {_worst('firsthour_nurture_windows{state="at_risk"}', "workflow"): "{{workflow}}"},
                1,
                "WindowsAtRisk",
            ),
            Panel(
                "Oldest record not yet worked off",
                "s",
                {_worst("firsthour_consumer_lag_seconds", "job, topic"): "{{job}}: {{topic}}"},
                120,
                "LeadsWait",
            ),
            Panel(
                "Oldest follow-up that is due",
                "s",
                {_worst("firsthour_nurture_delivery_oldest_due_seconds", "endpoint"): "{{endpoint}}"},
                300,
                "DeliveriesLate",
            ),
            Panel(
                "Oldest timer that is over",
                "s",
                {_worst("firsthour_nurture_timer_oldest_due_seconds", "kind"): "{{kind}}"},
                300,
                "TimersLate",
            ),
            Panel(
                "Since a canary lead came back",
                "s",
                {"time() - max(firsthour_canary_last_returned_timestamp_seconds)": "canary"},
                180,
                "CanaryLost",
            ),
            Panel(
                "Canary lead: until each hop, 95 of 100",
                "s",
                {_p95("firsthour_canary_hop_seconds", "hop"): "{{hop}}"},
                10,
                "CanaryLate",
            ),
            Panel("Tasks", "short", {_worst("firsthour_nurture_tasks", "state"): "{{state}}"}),
        ],
        "Is anything lost or stuck?": [
            Panel(
                "Services that answer", "short", {'up{job=~"ingest|scoring|nurture"}': "{{job}}"}, None, "ServiceDown"
            ),
            Panel(
                "Halted lanes",
                "short",
                {_worst("firsthour_consumer_halted", "job, lane"): "{{job}}: {{lane}}"},
                1,
                "LaneHalted",
            ),
            Panel(
                "Dead letters in an hour",
                "short",
                {_hourly("firsthour_consumer_dead_letters_total", "job, kind"): "{{job}}: {{kind}}"},
                1,
                "DeadLetters",
            ),
            Panel(
                "Parked rows",
                "short",
                {
                    _worst("firsthour_nurture_parked", "kind"): "{{kind}}",
                    'max(firsthour_nurture_facts_waiting{state="parked"})': "facts",
                },
                1,
                "RowsParked",
            ),
            Panel(
                "Endpoints that fail or are disabled",
                "short",
                {
                    _worst("firsthour_nurture_endpoints_failing", "endpoint"): "{{endpoint}} fails",
                    _worst("firsthour_nurture_endpoints_disabled", "endpoint"): "{{endpoint}} is disabled",
                },
                1,
                "EndpointFailing",
            ),
            Panel(
                "Events on the disk of ingest",
                "short",
                {"sum(firsthour_ingest_spool_pending)": "events"},
                1,
                "SpoolOld",
            ),
            Panel(
                "Since the last lead of each source",
                "s",
                {"time() - " + _worst("firsthour_ingest_last_lead_timestamp_seconds", "source"): "{{source}}"},
                None,
                "SourceSilent",
            ),
            Panel(
                "Requests that were refused",
                "reqps",
                {_rate("firsthour_ingest_refusals_total", "source, reason"): "{{source}}: {{reason}}"},
            ),
            Panel(
                "Age of what Postgres was asked",
                "s",
                {"time() - " + _worst("firsthour_rollup_timestamp_seconds", "job"): "{{job}}"},
                60,
                "DatabaseAway",
            ),
        ],
        "What is slow?": [
            Panel(
                "95 of 100 leads have passed each hop within",
                "s",
                {_p95("firsthour_lead_hop_seconds", "hop"): "{{hop}}"},
                300,
            ),
            Panel(
                "Attempts to deliver (95 of 100)",
                "s",
                {_p95("firsthour_nurture_attempt_seconds", "endpoint"): "{{endpoint}}"},
                5,
            ),
            Panel("Batches (95 of 100)", "s", {_p95("firsthour_consumer_batch_seconds", "job"): "{{job}}"}, 5),
            Panel("Event loops that are late", "s", {_worst("firsthour_event_loop_lag_seconds", "job"): "{{job}}"}, 1),
            Panel(
                "Clock of Postgres ahead of ours",
                "s",
                {_worst("firsthour_database_clock_offset_seconds", "job"): "{{job}}"},
                5,
                "ClockOff",
            ),
            Panel("Processors used", "percentunit", {_rate("process_cpu_seconds_total", "job"): "{{job}}"}),
        ],
        "What is about to be full?": [
            Panel(
                "Disk of ingest in use",
                "percentunit",
                {"max(1 - firsthour_ingest_disk_free_bytes / firsthour_ingest_disk_size_bytes)": "disk"},
                0.9,
                "DiskFilling",
            ),
            Panel(
                "Spool in use",
                "percentunit",
                {"max(firsthour_ingest_spool_bytes / firsthour_ingest_spool_limit_bytes)": "spool"},
                0.5,
                "DiskFilling",
            ),
            Panel(
                "Connections to Postgres in use",
                "short",
                {_worst("firsthour_database_connections", "job, state"): "{{job}}: {{state}}"},
            ),
            Panel("Memory", "bytes", {_worst("process_resident_memory_bytes", "job"): "{{job}}"}),
            Panel(
                "Database", "bytes", {'sum by (datname) (pg_database_size_bytes{datname!~"template.*"})': "{{datname}}"}
            ),
        ],
    },
    "ingest": {
        "ingest": [
            Panel("Events accepted", "eps", {_rate("firsthour_ingest_events_total", "source"): "{{source}}"}),
            Panel("Leads accepted", "eps", {_rate("firsthour_ingest_leads_total", "source"): "{{source}}"}),
            Panel("Answers", "reqps", {_rate("firsthour_ingest_answers_total", "path, status"): "{{path}} {{status}}"}),
            Panel(
                "Refusals",
                "reqps",
                {_rate("firsthour_ingest_refusals_total", "source, reason"): "{{source}}: {{reason}}"},
            ),
            Panel(
                "Acknowledged within (95 of 100)",
                "s",
                {
                    'histogram_quantile(0.95, sum by (le) (rate(firsthour_lead_hop_seconds_bucket{hop="acknowledged"}'
                    "[$__rate_interval])))": "acknowledged"
                },
                0.5,
            ),
            Panel("Spool", "bytes", {"sum(firsthour_ingest_spool_bytes)": "bytes"}, None, "SpoolOld"),
        ],
    },
    "scoring": {
        "scoring": [
            Panel(
                "Records",
                "eps",
                {'sum(rate(firsthour_consumer_records_total{job="scoring"}[$__rate_interval]))': "records"},
            ),
            Panel("Records waiting", "short", {_worst('firsthour_consumer_lag{job="scoring"}', "topic"): "{{topic}}"}),
            Panel(
                "Records of a batch (95 of 100)", "short", {_p95("firsthour_consumer_batch_records", "job"): "{{job}}"}
            ),
            Panel("Contacts joined", "eps", {"sum(rate(firsthour_scoring_merges_total[$__rate_interval]))": "merges"}),
            Panel(
                "Leads of 24 hours that have not bought",
                "short",
                {_worst("firsthour_scoring_leads_open", "state"): "{{state}}"},
            ),
            Panel(
                "Updates not known to be on Kafka", "short", {"max(firsthour_scoring_updates_unpublished)": "updates"}
            ),
        ],
    },
    "nurture": {
        "nurture": [
            Panel("Enrolments begun", "eps", {_rate("firsthour_nurture_enrolments_total", "workflow"): "{{workflow}}"}),
            Panel(
                "Attempts",
                "eps",
                {_rate("firsthour_nurture_attempts_total", "endpoint, outcome"): "{{endpoint}} {{outcome}}"},
            ),
            Panel(
                "First follow-up within (95 of 100)",
                "s",
                {_p95("firsthour_nurture_first_followup_seconds", "workflow"): "{{workflow}}"},
                60,
            ),
            Panel("Deliveries due", "short", {_worst("firsthour_nurture_deliveries_due", "endpoint"): "{{endpoint}}"}),
            Panel("Deliveries under way", "short", {"max(firsthour_nurture_deliveries_claimed)": "claimed"}),
            Panel(
                "Facts on their way to Kafka",
                "short",
                {_worst("firsthour_nurture_facts_waiting", "state"): "{{state}}"},
            ),
            Panel("Age of the news that timers know", "s", {"max(firsthour_nurture_news_age_seconds)": "news"}, 60),
        ],
    },
}


def queries() -> dict[str, list[str]]:
    """Every query by board and panel, as Grafana sends it but for `$__rate_interval`."""
    return {
        f"{board}: {panel.title}": list(panel.queries)
        for board, rows in BOARDS.items()
        for panels in rows.values()
        for panel in panels
    }


def _link(title: str, **given: Any) -> dict[str, Any]:
    """A link with every field that Grafana's schema wants."""
    empty = {"type": "link", "icon": "external link", "tooltip": "", "tags": [], "url": ""}
    flags = {"asDropdown": False, "targetBlank": False, "includeVars": False, "keepTime": False}
    return {"title": title, **empty, **flags, **given}


def _drawn(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.line is not None:
        steps.append({"color": "red", "value": panel.line})
    links = [_link("Runbook", url=_BOOK.format(panel.runbook), targetBlank=True)] if panel.runbook else []
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": x, "y": y},
        "links": links,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "off" if panel.line is None else "line"}},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + n), "expr": expr, "legendFormat": legend}
            for n, (expr, legend) in enumerate(panel.queries.items())
        ],
    }


def board(name: str) -> dict[str, Any]:
    """One board as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in BOARDS[name].items():
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
             "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}}
        )  # fmt: skip
        y += 1
        for at, panel in enumerate(row):
            panels.append(_drawn(panel, len(panels) + 1, at % _ACROSS * _WIDTH, y + at // _ACROSS * _HEIGHT))
        y += -(-len(row) // _ACROSS) * _HEIGHT
    return {
        "uid": f"firsthour-{name.lower()}",
        "title": name if name == "Firsthour" else f"Firsthour: {name}",
        "tags": ["firsthour"],
        "timezone": "browser",
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [
            _link("Boards", type="dashboards", tags=["firsthour"], keepTime=True),
        ],
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": panels,
    }


def written() -> dict[Path, str]:
    """The files and what has to be in them."""
    return {FOLDER / f"{name.lower()}.json": json.dumps(board(name), indent=1) + "\n" for name in BOARDS}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
