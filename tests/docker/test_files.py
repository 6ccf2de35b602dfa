"""What the compose file promises, read from the file itself: no daemon needed."""

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.settings import DemoSettings
from services.ingest.settings import IngestSettings
from services.nurture.settings import NurtureSettings
from shared.kafka.logins import read_logins
from shared.kafka.rights import USERS
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


def sources(service: dict[str, Any]) -> list[str]:
    """What it mounts: folders of this repository, and volumes."""
    mounts = service.get("volumes", [])
    return [mount["source"] if isinstance(mount, dict) else mount.split(":")[0] for mount in mounts]


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(published) == 7
    for port in published:
        assert port.startswith(("127.0.0.1:", "${FIRSTHOUR_INGEST_BIND:-127.0.0.1}:"))


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            secret = "PASSWORD" in name or "PASS_" in name
            a_file = (name.endswith("_FILE") and value.startswith("/secrets/")) or "-file:/login/" in str(value)
            assert not secret or a_file


def test_each_service_sees_its_own_login_to_kafka_alone(compose: dict[str, Any]) -> None:
    logins = {
        name: [m for m in sources(service) if m.endswith(("-login", "-logins"))]
        for name, service in compose["services"].items()
    }
    assert {name: found for name, found in logins.items() if found and name != "secrets"} == {
        "kafka": ["kafka-logins"], "setup": ["setup-login"],
        "ingest": ["ingest-login"], "scoring": ["scoring-login"], "nurture": ["nurture-login"],
    }  # fmt: skip
    for name in USERS:
        assert compose["services"][name]["environment"]["FIRSTHOUR_KAFKA_USER"] == f"${{FIRSTHOUR_KAFKA_USER-{name}}}"
    assert "secrets" not in sources(compose["services"]["ingest"]), "no database: it gets no password"


def test_the_passwords_are_made_once_and_are_private(tmp_path: Path) -> None:
    secrets, logins = tmp_path / "secrets", tmp_path / "logins"
    for name in ("kafka", "setup", *USERS):
        (logins / name).mkdir(parents=True)
    command = [sys.executable, str(ROOT / "deploy" / "compose" / "passwords.py"), str(secrets), str(logins)]
    made = []
    for _ in range(2):
        subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT)}, timeout=60)
        made.append({path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()})
    assert made[0] == made[1]
    words = [text for path, text in made[0].items() if path.name == "kafka-password"]
    jaas = logins / "kafka" / "jaas.conf"
    assert len(set(words)) == 4
    assert [word in made[0][jaas] for word in words].count(True) == 1, "that of `setup`, by whom it hears of the others"
    assert set(read_logins(logins / "setup" / "kafka-logins.json").passwords.values()) == set(words)
    assert {stat.S_IMODE(path.stat().st_mode) for path in made[0] if path != jaas} == {0o600}


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
    assert service["healthcheck"]["test"][0] == "CMD"
    assert "COMPOSE_PROFILES=monitoring\n" in (ROOT / ".env").read_text()


def test_images_of_others_are_pinned_by_version_and_digest(compose: dict[str, Any]) -> None:
    others = {name: service["image"] for name, service in compose["services"].items() if name not in OURS}
    assert {"kafka", "postgres", *WATCHING} == others.keys()
    pinned = (ROOT / "locks" / "pins.toml").read_text()
    for image in others.values():
        assert re.fullmatch(r"[a-z./_-]+:v?[0-9]+(\.[0-9]+){1,2}@sha256:[0-9a-f]{64}", image)
        assert f"image: {image}" in pinned, "`make audit` says when nobody has looked at it for long"


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
    of_all = (Settings, IngestSettings, NurtureSettings, DemoSettings)
    known = {f"FIRSTHOUR_{name.upper()}" for settings in of_all for name in settings.model_fields}
    for name in OURS:
        assert set(compose["services"][name]["environment"]) <= known


def test_every_volume_in_the_file_is_used(compose: dict[str, Any]) -> None:
    mounts = {source for service in compose["services"].values() for source in sources(service)}
    assert {mount for mount in mounts if not mount.startswith(".")} == set(compose["volumes"])


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
