"""The table of settings in docs/operating.md, made from the settings themselves."""

from demo.settings import DemoSettings
from embedded.supervisor.run_options import RunOptions
from services.ingest.settings import IngestSettings
from services.nurture.settings import NurtureSettings
from services.scoring.settings import ScoringSettings
from shared.settings import Settings

_OWNERS: tuple[tuple[str, type[Settings]], ...] = (
    ("every service", Settings),
    ("ingest", IngestSettings),
    ("scoring", ScoringSettings),
    ("nurture", NurtureSettings),
    ("the demo's sinks", DemoSettings),
    ("`firsthour run`", RunOptions),
)
_OF_THIS_MACHINE = {"instance": "this machine's name"}


def table() -> str:
    """Markdown rows: variable, default, whose it is, what it does. Each variable once."""
    rows = ["| variable | default | of | what it does |", "|---|---|---|---|"]
    seen: set[str] = set()
    for owner, kind in _OWNERS:
        for name, field in kind.model_fields.items():
            if name in seen:
                continue
            seen.add(name)
            default = _OF_THIS_MACHINE.get(name) or _shown(field.default)
            rows.append(f"| `FIRSTHOUR_{name.upper()}` | {default} | {owner} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if default is None or default == "":
        return "none"
    value = getattr(default, "get_secret_value", lambda: default)()
    return f"`{value}`"
