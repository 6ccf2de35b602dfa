"""The services and the demo's sinks as children: their commands, their environment, and when they are ready."""

import asyncio
import http.client
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from embedded.brokers.process import Child, Command, ProcessDied
from embedded.brokers.stack import Stack
from embedded.supervisor.run_options import RunOptions

SERVICES: Final = ("ingest", "scoring", "nurture")
SINKS: Final = "sinks"
_OTHERS: Final = ("PG", "PYTHON", "FIRSTHOUR_KAFKA_", "FIRSTHOUR_DATABASE")
_WITH_DATABASE: Final = ("setup", "scoring", "nurture")
_READY_S: Final = 60.0
_SETUP_S: Final = 120.0
_POLL_S: Final = 0.05


def environment(options: RunOptions, ports: Mapping[str, int], stack: Stack) -> dict[str, str]:
    """This process's environment, plus where everything is, minus what a shell sets for other programs.

    Those are Python's variables, another Kafka's, and libpq's, which asyncpg reads too. Nor are modules imported from
    the current folder.
    """
    return {
        **{name: text for name, text in os.environ.items() if name == "PYTHONPATH" or not name.startswith(_OTHERS)},
        "PYTHONSAFEPATH": "1",
        "FIRSTHOUR_CONFIG": str(options.config.absolute()),
        "FIRSTHOUR_STATE": str(stack.state),
        "FIRSTHOUR_KAFKA": stack.bootstrap,
        "FIRSTHOUR_KAFKA_GRANT": "true" if stack.kafka.access.user else "false",
        "FIRSTHOUR_DATABASE": stack.database_url,
        **{f"FIRSTHOUR_{name.upper()}_PORT": str(ports[name]) for name in SERVICES},
        "FIRSTHOUR_CANARY_URL": f"http://{options.reachable_host('ingest')}:{ports['ingest']}",
        "FIRSTHOUR_DEMO_PORT": str(ports[SINKS]),
        "FIRSTHOUR_DEMO_SMTP_PORT": str(ports["smtp"]),
    }


def service_child(name: str, state: Path, its_environment: Mapping[str, str]) -> Child:
    """A service, `setup`, or the demo's receiver and mailbox. Only those that need the database get its password."""
    module = ("demo.sinks",) if name == SINKS else ("services.cli.main", name)
    own = dict(its_environment)
    if name not in _WITH_DATABASE:
        del own["FIRSTHOUR_DATABASE"]
    return Child(Command(name, (sys.executable, "-m", *module), own), state)


async def set_up(state: Path, its_environment: Mapping[str, str]) -> None:
    """Migrations, topics, tokens and keys. Raises ProcessDied with the reason in its log."""
    child = service_child("setup", state, its_environment)
    child.start()
    try:
        code = await asyncio.wait_for(child.ended(), _SETUP_S)
    except TimeoutError:
        raise ProcessDied(f"setup did not end within {_SETUP_S:.0f} s", child.tail()) from None
    finally:
        child.kill()
    if code:
        raise ProcessDied(f"setup failed (exit code {code})", child.tail())


async def until_ready(name: str, child: Child, host: str, port: int) -> None:
    """Return once it reports that it is ready. Raises ProcessDied with what is missing."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _READY_S
    path = "/healthz" if name == SINKS else "/readyz"
    while (lacking := await asyncio.to_thread(_lacking, host, port, path)) is not None:
        if not child.alive:
            raise ProcessDied(f"{name} ended while it started (exit code {child.exit_code})", child.tail())
        if loop.time() > end:
            raise ProcessDied(f"{name} is not ready after {_READY_S:.0f} s: {lacking}", child.tail())
        await asyncio.sleep(_POLL_S)


def _lacking(host: str, port: int, path: str) -> str | None:
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return None
    try:
        return ", ".join(json.loads(body)["missing"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"
