"""What stands in the code once is said again in files that cannot import it: they say the same."""

import re
from pathlib import Path
from typing import Final

import yaml

from services.nurture.domain.deliveries.retry import STANDARD_PLAN
from shared import ports
from shared.runtime.deadlines import ATTEMPT_S, LEASE_S

ROOT: Final = Path(__file__).parents[3]
SERVICES: Final = {"ingest": ports.INGEST, "scoring": ports.SCORING, "nurture": ports.NURTURE}


def test_the_compose_file_has_the_ports() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, port in (SERVICES | {"sinks": ports.DEMO}).items():
        [published] = services[name]["ports"]
        setting = "DEMO" if name == "sinks" else name.upper()
        assert published.endswith(f"FIRSTHOUR_{setting}_PORT:-{port}}}:{port}")
        assert str(port) in services[name]["healthcheck"]["test"]


def test_prometheus_and_the_image_have_the_ports() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in jobs for static in job["static_configs"] for target in static["targets"]}
    assert targets >= {f"{name}:{port}" for name, port in SERVICES.items()}
    [exposed] = re.findall(r"^EXPOSE (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert exposed.split() == [str(port) for port in SERVICES.values()]


def test_the_docs_have_the_plan_of_retries_and_the_deadlines() -> None:
    text = " ".join((ROOT / "docs" / "deliveries.md").read_text().split())
    waits = STANDARD_PLAN.waits
    seconds = ", ".join(f"{wait:.0f} s" for wait in waits if wait < 60)
    minutes = _listed([f"{wait / 60:.0f}" for wait in waits if 60 <= wait < 3600])
    hours = _listed([f"{wait / 3600:.0f}" for wait in waits if wait >= 3600])
    assert f"after {seconds}, {minutes} minutes (ten within the first hour), then {hours} hours" in text
    assert f"(about {sum(waits) / 3600:.0f} hours)" in text
    assert f"Within {ATTEMPT_S:.0f} seconds" in text
    assert f"a lease of {LEASE_S:.0f} seconds" in text


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def test_a_list_of_values_is_a_type_with_one_name() -> None:
    found: dict[frozenset[str], list[str]] = {}
    for path in (path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")):
        for each in re.findall(r"\bLiteral\[([^\[\]]*,[^\[\]]*)\]", path.read_text()):
            found.setdefault(frozenset(re.findall(r'"([^"]*)"', each)), []).append(str(path.relative_to(ROOT)))
    assert len(found) > 20
    assert [places for places in found.values() if len(places) > 1] == []
