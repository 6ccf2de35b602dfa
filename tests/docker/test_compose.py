"""One lead through the containers. Opt-in, because it builds an image and takes minutes:

FIRSTHOUR_TEST_DOCKER=1 pytest tests/docker      (FIRSTHOUR_IMAGE=… takes an image that is already built)
"""

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = "firsthour-test"
WITHIN_S = 60.0

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("FIRSTHOUR_TEST_DOCKER") != "1", reason="FIRSTHOUR_TEST_DOCKER=1 runs the containers"
    ),
    pytest.mark.timeout(900),
]


def compose(*arguments: str) -> str:
    ports = {f"FIRSTHOUR_{name}_PORT": "0" for name in ("INGEST", "SCORING", "NURTURE", "DEMO")}
    done = subprocess.run(
        ["docker", "compose", "--project-name", PROJECT, *arguments],
        cwd=ROOT,
        env={**os.environ, **ports},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    compose("down", "--volumes", "--remove-orphans")
    try:
        compose("up", "--detach", "--wait", "--wait-timeout", "300")
        yield
    finally:
        compose("down", "--volumes", "--remove-orphans")


def secret(name: str) -> str:
    lines = compose("exec", "-T", "ingest", "cat", "/state/secrets.env").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)[name]


def url(service: str, port: int) -> str:
    return f"http://{compose('port', service, str(port)).strip()}"


def post_lead(email: str) -> str:
    request = urllib.request.Request(
        url("ingest", 8080) + "/v1/leads",
        data=json.dumps({"email": email, "estimated_value": {"amount": "900.00", "currency": "EUR"}}).encode(),
        headers={
            "content-type": "application/json",
            "authorization": "Basic " + base64.b64encode(f"{secret('WEBSITE_KEY')}:".encode()).decode(),
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202
        event: str = json.load(answer)["id"]
        return event


def webhook_of(event: str) -> dict[str, Any]:
    address, end = url("sinks", 8090) + "/webhooks.json", time.monotonic() + WITHIN_S
    webhook: dict[str, Any]
    while time.monotonic() < end:
        with urllib.request.urlopen(address, timeout=5) as answer:
            for webhook in json.load(answer):
                if event in json.dumps(webhook):
                    return webhook
        time.sleep(0.2)
    raise AssertionError(f"no webhook of {event} within {WITHIN_S:.0f} s")


@pytest.mark.usefixtures("running")
def test_a_lead_comes_out_as_a_webhook() -> None:
    assert webhook_of(post_lead("first@example.com"))


@pytest.mark.usefixtures("running")
def test_the_services_are_not_root_and_cannot_write() -> None:
    for service in ("ingest", "scoring", "nurture", "sinks"):
        assert compose("exec", "-T", service, "id", "-u").strip() == "10001"
        assert "denied" in compose("exec", "-T", service, "sh", "-c", "touch /app/x 2>&1 || echo denied")


@pytest.mark.usefixtures("running")
def test_kafka_and_postgres_are_not_published() -> None:
    for service in ("kafka", "postgres"):
        published = json.loads(compose("ps", "--format", "json", service)).get("Publishers") or []
        assert not [port for port in published if port["PublishedPort"]]


@pytest.mark.usefixtures("running")
def test_after_a_kill_of_everything_the_next_lead_comes_out_too() -> None:
    before = secret("WEBSITE_KEY")
    compose("kill")
    compose("up", "--detach", "--wait", "--wait-timeout", "300")
    assert secret("WEBSITE_KEY") == before
    assert webhook_of(post_lead("second@example.com"))


@pytest.mark.usefixtures("running")
def test_a_service_that_is_down_is_unhealthy_in_words() -> None:
    compose("stop", "kafka")
    with pytest.raises(urllib.error.HTTPError) as refused:
        post_lead("third@example.com")
    assert refused.value.code == 503
    assert refused.value.headers["retry-after"]
    refused.value.close()
    compose("start", "kafka")
    compose("up", "--detach", "--wait", "--wait-timeout", "300")
    assert webhook_of(post_lead("fourth@example.com"))
