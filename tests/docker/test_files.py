"""What the compose file promises, read from the file itself: no daemon needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.settings import DemoSettings
from services.ingest.settings import IngestSettings
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
WATCHING = ["prometheus", "alertmanager", "grafana", "postgres-exporter"]
OURS = ["secrets", "setup", "ingest", "scoring", "nurture", "sinks"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read("docker-compose.yml")


def read(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return content


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(published) == 7
    for port in published:
        assert port.startswith(("127.0.0.1:", "${FIRSTHOUR_INGEST_BIND:-127.0.0.1}:"))


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            secret = "PASSWORD" in name or "PASS_" in name
            assert not secret or (name.endswith("_FILE") and value.startswith("/secrets/"))


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_do_little(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True


@pytest.mark.parametrize("name", WATCHING)
def test_what_watches_is_bounded_pinned_and_left_out_with_one_word(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["profiles"] == ["monitoring"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert re.fullmatch(r"[0-9]+m", service["mem_limit"])
    assert re.search(r":v?[0-9]+\.[0-9]+\.[0-9]+$", service["image"])
    assert service["healthcheck"]["test"][0] == "CMD"
    assert "COMPOSE_PROFILES=monitoring\n" in (ROOT / ".env").read_text()


def test_prometheus_looks_where_the_services_are(compose: dict[str, Any]) -> None:
    scraped = read("deploy/prometheus/prometheus.yml")["scrape_configs"]
    for job in scraped:
        ((target,),) = [config["targets"] for config in job["static_configs"]]
        host, _, port = target.partition(":")
        assert host in compose["services"]
        ours = compose["services"][host].get("ports")
        assert ours is None or ours[0].endswith(f":{port}")
    assert {"ingest", "scoring", "nurture"} < {job["job_name"] for job in scraped}


@pytest.mark.parametrize("name", ["kafka", "postgres", "ingest", "scoring", "nurture", "sinks"])
def test_what_stays_up_has_a_health_and_comes_back(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert "stop_grace_period" in service


def test_every_setting_in_the_file_is_one_that_the_services_know(compose: dict[str, Any]) -> None:
    of_all = (Settings, IngestSettings, DemoSettings)
    known = {f"FIRSTHOUR_{name.upper()}" for settings in of_all for name in settings.model_fields}
    for name in OURS:
        assert set(compose["services"][name]["environment"]) <= known


def test_every_volume_in_the_file_is_used(compose: dict[str, Any]) -> None:
    mounts = [str(m) for service in compose["services"].values() for m in service.get("volumes", [])]
    assert {mount.split(":")[0] for mount in mounts if not mount.startswith(".")} == set(compose["volumes"])


def test_the_containers_endpoints_are_the_default_ones_at_other_addresses() -> None:
    ours, default = read("deploy/compose/endpoints.yaml"), read("config/endpoints.yaml")
    assert ours.keys() == default.keys()
    for name, webhook in default["webhooks"].items():
        there = ours["webhooks"][name]
        assert there | {"url": webhook["url"]} == webhook
        assert there["url"].startswith("http://sinks:8090/")
    assert ours["webhooks"].keys() == default["webhooks"].keys()
    assert ours["reps"] == default["reps"]
    assert ours["email"] | {"smtp": default["email"]["smtp"]} == default["email"]
