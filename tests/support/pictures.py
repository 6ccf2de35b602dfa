"""A panel drawn as SVG, from what Prometheus answers: for the docs, where there is no Grafana to draw it."""

from html import escape
from typing import Any, NamedTuple

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 380, 210, 46, 34, 40
_COLOURS = ("#3b6fb6", "#c4642c", "#3f8f5a", "#8a5aa8", "#b03a48", "#6b7280", "#a58a1f", "#2f8f9d")
_STRAIGHT = 4  # lines of the grid


class Line(NamedTuple):
    """One line of a picture: its name, and times with values."""

    name: str
    points: list[tuple[float, float]]


class Drawn(NamedTuple):
    """One panel with what was found for it. `threshold`: the line above which somebody has to do something."""

    title: str
    unit: str
    lines: list[Line]
    threshold: float | None


def lines(found: list[dict[str, Any]], legend: str) -> list[Line]:
    """What a range query found, named as Grafana would."""
    named = []
    for series in found:
        name = legend
        for label, value in series["metric"].items():
            name = name.replace("{{" + label + "}}", value)
        points = [(float(at), float(value)) for at, value in series["values"] if value not in ("NaN", "+Inf")]
        if points:
            named.append(Line(name, points))
    return sorted(named)


def picture(panel: Drawn, *, x: int, y: int) -> str:
    """One panel at this place of a page."""
    title, unit, drawn, threshold = panel
    times = [at for line in drawn for at, _ in line.points]
    first, last = min(times), max(times)
    top = max(value for line in drawn for _, value in line.points) * 1.15 or 1.0
    if threshold is not None and threshold <= top * 2:
        top = max(top, threshold * 1.1)
    width, height = _WIDTH - _LEFT - 12, _HEIGHT - _TOP - _BOTTOM

    def place(at: float, value: float) -> tuple[float, float]:
        return _LEFT + (at - first) / max(1.0, last - first) * width, _TOP + height - value / top * height

    parts = [
        f'<g transform="translate({x},{y})">',
        f'<rect width="{_WIDTH - 8}" height="{_HEIGHT - 8}" rx="6" class="panel"/>',
    ]
    parts.append(f'<text x="12" y="20" class="title">{escape(title)}</text>')
    for n in range(_STRAIGHT + 1):
        value = top * n / _STRAIGHT
        _, at_y = place(first, value)
        parts.append(f'<path d="M{_LEFT} {at_y:.1f}h{width}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{at_y + 3:.1f}" class="axis end">{escape(_shown(value, unit))}</text>')
    if threshold is not None and threshold <= top:
        _, at_y = place(first, threshold)
        parts.append(f'<path d="M{_LEFT} {at_y:.1f}h{width}" class="line"/>')
    for number, line in enumerate(drawn[: len(_COLOURS)]):
        path = " ".join(f"{a:.1f} {b:.1f}" for a, b in (place(*point) for point in line.points))
        parts.append(f'<path d="M{path}" fill="none" stroke="{_COLOURS[number]}" stroke-width="1.6"/>')
    legend = "".join(
        f'<tspan fill="{_COLOURS[n]}">{escape(line.name[:34])}</tspan>  ' for n, line in enumerate(drawn[:3])
    )
    more = f"+{len(drawn) - 3}" if len(drawn) > 3 else ""
    parts.append(f'<text x="12" y="{_HEIGHT - 20}" class="axis">{legend}{more}</text></g>')
    return "\n".join(parts)


_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#374151}.title{font-weight:600;font-size:12px}.axis{font-size:9.5px}"
    ".end{text-anchor:end}.row{font-size:15px;font-weight:600}.panel{fill:#fff;stroke:#d1d5db}"
    ".grid{stroke:#eceef1}.line{stroke:#c0392b;stroke-dasharray:4 3}"
)


def board(rows: dict[str, list[Drawn]]) -> str:
    """A board: titled rows, three panels beside each other."""
    parts, y = [], 0
    for title, panels in rows.items():
        parts.append(f'<text x="4" y="{y + 22}" class="row">{escape(title)}</text>')
        y += 34
        parts += [picture(each, x=at % 3 * _WIDTH, y=y + at // 3 * _HEIGHT) for at, each in enumerate(panels)]
        y += -(-len(panels) // 3) * _HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * _WIDTH} {y}" role="img"><style>{_STYLE}</style>'
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _shown(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "percentunit":
        return f"{value:.0%}"
    suffix = {"s": " s", "eps": "/s", "reqps": "/s"}.get(unit, "")
    return f"{value:.3g}{suffix}"
