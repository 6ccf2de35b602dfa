"""What to do once everything runs: as text for a person, as one object for a program."""

import os
import shlex
from pathlib import Path
from typing import Any, Final

from embedded.supervisor.running import Running
from embedded.supervisor.service_children import SERVICES, SINKS
from shared.secrets import read_state_secrets

_LEAD: Final = (
    '{"email": "ada@example.com", "name": "Ada", "company": "Engines Ltd", "interest": "pricing", '
    '"estimated_value": {"amount": "500.00", "currency": "EUR"}}'
)


def as_object(running: Running) -> dict[str, Any]:
    """Addresses, ports and process ids; of secrets only their location."""
    kafka, postgres = running.stack.kafka, running.stack.postgres
    parts = {"kafka": kafka.child, "postgres": postgres.child, **running.children}
    return {
        "seconds": round(running.seconds, 2),
        "urls": {name: running.url(name) for name in (*SERVICES, SINKS, "run")},
        "ports": {"kafka": kafka.port, "postgres": postgres.port, **running.ports},
        "pids": {"run": os.getpid(), **{name: child.pid for name, child in parts.items() if child}},
        "kafka": kafka.bootstrap,
        "state": str(running.stack.state),
        "logs": str(running.stack.state / "logs"),
    }


def as_text(running: Running, lead_key: str | None) -> str:
    """Where everything is, a `curl` to paste, and how to stop. `lead_key`: the reference to the write key to use."""
    state = _short(running.stack.state)
    lines = [
        "",
        f"Firsthour is ready ({running.seconds:.1f} s).",
        "",
        f"  ingest    {running.url('ingest')}    leads and purchases come in here; {running.url('ingest')}/docs",
        f"  scoring   {running.url('scoring')}    contacts, their values and why, the queue",
        f"  nurture   {running.url('nurture')}    enrolments, deliveries, tasks",
        f"  demo      {running.url(SINKS)}/   where the webhooks and e-mails of the demo arrive: open it",
        f"  run       {running.url('run')}/metrics    how each part is, also while one keeps dying",
        f"  logs      {state / 'logs'}",
        "",
        *_post_a_lead(running, lead_key),
        "",
        "See what it is worth, and why:",
        "",
        f"  curl -sS '{running.url('scoring')}/v1/contacts?email=ada@example.com' \\",
        f'    -H "Authorization: Bearer $(cat {shlex.quote(str(state / "admin-token"))})"',
        "",
        *_hint(running),
        "Ctrl-C stops everything; the next start finds its data again.",
    ]
    return "\n".join(lines)


def _post_a_lead(running: Running, lead_key: str | None) -> list[str]:
    """A generated key is shown; the user's own is only named."""
    if lead_key is None:
        return ["Post a lead: no source of sources.yaml has a key for it yet (`keys: [env:WEBSITE_KEY]`)."]
    kind, _, name = lead_key.partition(":")
    how, key = "Post a lead:", read_state_secrets(running.stack.state).get(name, "")
    if kind == "file":
        how, key = f"Post a lead, with the key in {name}:", f"$(cat {shlex.quote(name)})"
    elif os.environ.get(name):
        how, key = f"Post a lead, in a shell that has your {name}:", f"${name}"
    return [
        how,
        "",
        f'  curl -sS {running.url("ingest")}/v1/leads -H "Authorization: Bearer {key}" \\',
        f"    -H 'Content-Type: application/json' -d '{_LEAD}'",
    ]


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _hint(running: Running) -> list[str]:
    """The configuration names the demo's receiver by its usual port; say so when it is on another."""
    endpoints = running.options.config / "endpoints.yaml"
    try:
        text = endpoints.read_text(encoding="utf-8")
    except OSError:
        return []
    moved = [port for port in (running.ports[SINKS], running.ports["smtp"]) if f":{port}" not in text]
    if not moved:
        return []
    where = f"The demo's receiver is on port {running.ports[SINKS]} and its mailbox on {running.ports['smtp']}: "
    return [where + f"{endpoints} must name them, or nothing arrives there.", ""]
