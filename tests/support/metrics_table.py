"""The table of docs/metrics.md, made from the code: every figure where it is registered, every label with its bound.

`python -m tests.support.metrics_table` (`make metrics-docs`) writes it. Read from the syntax and not from running
services, so that nothing is left out that one installation happens not to use.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
_KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "BatchHistogram": "histogram",
          "Summary": "summary",
          "CounterMetricFamily": "counter", "GaugeMetricFamily": "gauge"}  # fmt: skip
_BEGIN, _END = "<!-- made by `make metrics-docs` -->\n", "<!-- until here -->\n"
LABELS = {
    "currency": "codes of ISO 4217; `other` for what is none",
    "endpoint": "names in `endpoints.yaml`, and `email:smtp`",
    "hop": "`received`, `acknowledged`, `scored`, `enrolled`, `attempted`, `delivered`; of canaries `sent`, `returned`",
    "kind": "a handful of words, fixed in the code",
    "lane": "`live`, `bulk`",
    "identity": "`email`, `phone`, `user_id`, `anonymous_id`",
    "limit": "`source`, `address`, `forms`, `keys`",
    "outcome": "`delivered`, `retry`, `failed`, `expired`, `unknown`",
    "part": "the parts of `firsthour run`",
    "path": "the public paths of ingest, without the source's name",
    "reason": "a dozen words, fixed in the code",
    "result": "a handful of words, fixed in the code",
    "sender": "the kinds of webhooks that ingest understands",
    "source": "names in `sources.yaml`; of dead letters the first fifty, then `other`",
    "state": "a handful of words, fixed in the code",
    "status": "HTTP's status codes",
    "topic": "the topics that the service consumes",
    "workflow": "names in `workflows/`",
}


class Figure(NamedTuple):
    """One metric as it is scraped."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    of: str


def figures() -> list[Figure]:
    """Every one that the code registers, by its owner and name. Raises ValueError when one is not written out."""
    found = [
        figure
        for folder in ("services", "shared", "embedded")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for figure in _in(path)
    ]
    return sorted(found, key=lambda figure: (_ORDER.index(figure.of), figure.name))


_ORDER = ["every service", "ingest", "scoring", "nurture", "scoring and nurture", "`firsthour run`"]


def _owner(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[0] == "services":
        return parts[1]
    if parts[0] == "embedded":
        return "`firsthour run`"
    return "scoring and nurture" if parts[1] in ("kafka", "db") else "every service"


def _in(path: Path) -> Iterator[Figure]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _KINDS or not node.args:
            continue
        if not any(keyword.arg == "registry" for keyword in node.keywords) and not name.endswith("Family"):
            continue  # collections.Counter
        called = _literal(node.args[0], path)
        if isinstance(called, str) and called.startswith("firsthour_"):
            rest = [_literal(argument, path) for argument in node.args[1:]]
            labels = next((each for each in rest if isinstance(each, list)), None)
            for keyword in node.keywords:
                if keyword.arg in ("labels", "labelnames") and isinstance(said := _literal(keyword.value, path), list):
                    labels = labels or said
            suffix = "_total" if _KINDS[name] == "counter" else ""
            yield Figure(f"{called}{suffix}", _KINDS[name], tuple(labels or ()), str(rest[0]), _owner(path))


def _literal(node: ast.expr, path: Path) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"{path}:{node.lineno}: a figure's name, help and labels have to be written out") from None


def table() -> str:
    """Markdown: the figures, then the labels with what bounds them."""
    rows = ["| figure | of | kind | labels | what it says |", "|---|---|---|---|---|"]
    rows += [
        f"| `{each.name}` | {each.of} | {each.kind} | {', '.join(each.labels) or '-'} | {each.help} |"
        for each in figures()
    ]
    rows += ["", "| label | its values |", "|---|---|"]
    used = {label for each in figures() for label in each.labels}
    rows += [f"| `{label}` | {LABELS[label]} |" for label in sorted(used)]
    return "\n".join(rows) + "\n"


def written() -> str:
    """The page with the table of today in it."""
    return re.sub(f"{_BEGIN}.*{_END}", lambda _: f"{_BEGIN}\n{table()}\n{_END}", PAGE.read_text(), flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(written())
