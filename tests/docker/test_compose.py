"""One lead through the containers. Opt-in, because it builds an image and takes minutes:

FIRSTHOUR_TEST_DOCKER=1 pytest tests/docker      (FIRSTHOUR_IMAGE=… takes an image that is already built)
"""

import base64
import json
import os
import subprocess
import time
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


def compose(*arguments: str, expected: int = 0) -> str:
    ports = {f"FIRSTHOUR_{name}_PORT": "0" for name in ("INGEST", "SCORING", "NURTURE", "DEMO")}
    done = subprocess.run(
        ["docker", "compose", "--project-name", PROJECT, *arguments],
        cwd=ROOT,
        env={"COMPOSE_PROFILES": "", **os.environ, **ports},  # their images are no part of what is tried here
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expected, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
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
        data=json.dumps(
            {"email": email, "interest": "pricing", "consent": {"email": True}, "traits": {"country": "Deutschland"}}
        ).encode(),
        headers={
            "content-type": "application/json",
            "authorization": "Basic " + base64.b64encode(f"{secret('WEBSITE_KEY')}:".encode()).decode(),
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202
        event: str = json.load(answer)["id"]
        return event


def landed(page: str, word: str) -> dict[str, Any]:
    """The first of what the demo's sinks have got that holds the word. They verified its signature."""
    end = time.monotonic() + WITHIN_S
    token = compose("exec", "-T", "sinks", "cat", "/state/admin-token").strip()
    address = urllib.request.Request(f"{url('sinks', 8090)}/{page}", headers={"authorization": f"Bearer {token}"})
    item: dict[str, Any]
    while time.monotonic() < end:
        with urllib.request.urlopen(address, timeout=5) as answer:
            for item in json.load(answer)["items"]:
                if word in json.dumps(item):
                    return item
        time.sleep(0.2)
    raise AssertionError(f"{word} is not in {page} after {WITHIN_S:.0f} s")


@pytest.mark.usefixtures("running")
def test_a_lead_comes_out_as_a_webhook_and_an_email() -> None:
    landed("webhooks.json", post_lead("first@example.com"))
    landed("mails.json", "first@example.com")
    assert contact("first@example.com")["country"] == "DE", "the image has the names of countries"


@pytest.mark.usefixtures("running")
def test_the_doctor_finds_all_well_and_tells_a_wrong_password_of_kafka() -> None:
    at = [f"--{name}=http://{name}:{port}" for name, port in (("ingest", 8080), ("scoring", 8081), ("nurture", 8082))]
    doctor = ("run", "--rm", "--no-deps", "-T")
    told = json.loads(compose(*doctor, "setup", "doctor", "--json", *at))
    assert told["well"], [each for each in told["findings"] if each["state"] == "wrong"]
    wrong = ("-e", "FIRSTHOUR_KAFKA_PASSWORD=env:WORD", "-e", "WORD=wrong-and-long")
    told = json.loads(compose(*doctor, *wrong, "setup", "doctor", "--json", *at, expected=1))
    (kafka,) = [each for each in told["findings"] if each["what"] == "kafka"]
    assert "does not take our user and password" in kafka["said"]


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
    landed("webhooks.json", post_lead("second@example.com"))


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("service", ["kafka", "postgres", "ingest", "scoring", "nurture", "sinks"])
def test_a_container_that_is_killed_costs_no_lead(service: str) -> None:
    before = post_lead(f"before-{service}@example.com")
    compose("kill", service)
    compose("up", "--detach", "--wait", "--wait-timeout", "300")
    landed("webhooks.json", post_lead(f"after-{service}@example.com"))
    if service != "sinks":  # what the demo's receiver has got is in its memory alone
        landed("webhooks.json", before)


@pytest.mark.usefixtures("running")
def test_what_goes_down_finds_its_data_when_it_comes_up() -> None:
    landed("webhooks.json", post_lead("kept@example.com"))
    before = contact("kept@example.com")
    compose("down")
    compose("up", "--detach", "--wait", "--wait-timeout", "300")
    assert contact("kept@example.com") == before
    landed("webhooks.json", post_lead("next@example.com"))


def contact(email: str) -> dict[str, Any]:
    token = compose("exec", "-T", "scoring", "cat", "/state/admin-token").strip()
    address = f"{url('scoring', 8081)}/v1/contacts?email={email}"
    request = urllib.request.Request(address, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    (one,) = found["items"]
    return {name: one[name] for name in ("id", "email", "country")}


WRITES = """
import asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from services.ingest.settings import IngestSettings

async def main():
    settings = IngestSettings()
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, **settings.kafka_access().arguments()) as producer:
        try:
            await producer.send_and_wait("firsthour.updates", b"forged", partition=0)
        except TopicAuthorizationFailedError:
            print("refused")

asyncio.run(main())
"""


@pytest.mark.usefixtures("running")
def test_a_service_has_its_own_login_to_kafka_and_no_other() -> None:
    words = {
        name: compose("exec", "-T", name, "cat", "/login/kafka-password") for name in ("ingest", "scoring", "nurture")
    }
    assert len(set(words.values())) == 3
    for name in words:
        assert "denied" in compose(
            "exec", "-T", name, "sh", "-c", "ls /logins/setup/kafka-password 2>&1 || echo denied"
        )
    assert "denied" in compose("exec", "-T", "ingest", "sh", "-c", "ls /secrets/database-url 2>&1 || echo denied")
    assert "refused" in compose("exec", "-T", "ingest", "python", "-c", WRITES), "it writes events alone"


@pytest.mark.usefixtures("running")
def test_a_lead_taken_without_kafka_outlives_its_container_and_comes_out() -> None:
    compose("stop", "kafka")
    event = post_lead("third@example.com")
    compose("rm", "--stop", "--force", "ingest")
    compose("up", "--detach", "--wait", "--wait-timeout", "300")
    landed("webhooks.json", event)


@pytest.mark.usefixtures("running")
def test_no_log_names_a_lead() -> None:
    post_lead("fourth@example.com")
    landed("mails.json", "fourth@example.com")
    assert "@example.com" not in compose("logs", "--no-color")  # those of Kafka and Postgres too
