"""Whether the services run, can do their work, and listen on their ports."""

import asyncio
import http.client
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any, Final

from services.cli.doctor.finding import PATIENCE_S, Finding, Place, ok, warning, wrong

_LITTLE: Final = 1_000_000_000  # bytes
_OK: Final = 200


async def service(name: str, at: Place) -> list[Finding]:
    """One service: whether it is up, is ours, and what it lacks."""
    return [await asyncio.to_thread(_service, name, at._replace(host=_reachable(at.host)))]


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - listens everywhere


def _service(name: str, place: Place) -> Finding:
    host, port, secure = place
    at = f"{'https' if secure else 'http'}://{host}:{port}"
    try:
        alive, _ = _asked(place, "/healthz")
        status, ready = _asked(place, "/readyz") if alive == _OK else (0, {})
    except ConnectionRefusedError:
        return wrong(
            name,
            f"nothing listens on port {port} of {host}",
            f"start it: firsthour run (all of it), or firsthour {name}",
        )
    except (OSError, http.client.HTTPException) as error:
        unknown = isinstance(error, socket.gaierror)
        said = (
            f"does not answer as {name} does ({type(error).__name__})" if not unknown else "has a name unknown to DNS"
        )
        return wrong(name, f"{at} {said}", f"say where it is: --{name} URL" if unknown else _other(port, name))
    if alive != _OK or ready.get("status") not in ("ready", "not ready"):
        return wrong(name, f"something else than {name} answers on port {port} of {host}", _other(port, name))
    if status != _OK:
        missing = ", ".join(map(str, ready.get("missing") or ["see /readyz"]))
        return wrong(name, f"it runs at {at}, but cannot do its work: {missing}", "mend what is named here and below")
    attention = ready.get("attention")
    if attention:
        said = ", ".join(map(str, attention))
        return warning(name, f"it runs at {at}, and says: {said}", "see docs/operating.md")
    return ok(name, f"it runs at {at}, and is ready")


def _other(port: int, name: str) -> str:
    return f"see who has the port (ss -ltnp 'sport = :{port}'), or give {name} another: FIRSTHOUR_{name.upper()}_PORT"


def _asked(place: Place, path: str) -> tuple[int, dict[str, Any]]:
    kind = http.client.HTTPSConnection if place.secure else http.client.HTTPConnection
    connection = kind(place.host, place.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(65_536)
        said = json.loads(body) if body[:1] == b"{" else {}
        return answer.status, said if isinstance(said, dict) else {}
    except ValueError:
        return 0, {}
    finally:
        connection.close()


async def state_folder(state: Path) -> list[Finding]:
    """Whether what must outlive a restart can be written."""
    return await asyncio.to_thread(_state_folder, state)


def _state_folder(state: Path) -> list[Finding]:
    what = "state folder"
    if not state.exists():
        return [warning(what, f"{state} is not there yet", "`firsthour run` or `firsthour setup` makes it")]
    if not os.access(state, os.W_OK):
        return [wrong(what, f"{state} is not writable by this user", "give it to the user who runs the services")]
    free = shutil.disk_usage(state).free
    if free < _LITTLE:
        said = f"{free // 1_000_000:,} MB are left on its disk"
        return [wrong(what, said, "make room: a full disk stops the spool, Kafka and Postgres")]
    return [ok(what, f"{state} can be written, {free // 1_000_000_000:,} GB are free")]
