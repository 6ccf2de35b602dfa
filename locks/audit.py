"""`make audit`: known holes in Python's packages, and pins that nobody has looked at for a while.

pip-audit asks a service on the internet; where it is not installed or cannot reach it, that is said. Exit code 1: a
known hole, or a pin that says another version than is used. Age alone is a reminder, not a failure.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PINS: Final = Path(__file__).with_name("pins.toml")
OLD_AFTER_DAYS: Final = 90
_PATIENCE_S: Final = 120


def read_pins(path: Path = PINS) -> list[dict[str, Any]]:
    """Each pin: name, version, the file and text that use it, and when somebody looked."""
    pins: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["pin"]
    return pins


def not_as_used(pins: list[dict[str, Any]]) -> Iterator[str]:
    """Pins whose file says something else."""
    for pin in pins:
        used = (ROOT / pin["file"]).read_text(encoding="utf-8")
        if pin["version"] not in pin["text"] or pin["text"] not in used:
            yield f"{pin['name']} {pin['version']}: {pin['file']} does not say {pin['text']!r}"


def old(pins: list[dict[str, Any]], today: date) -> Iterator[str]:
    """Pins that nobody has looked at for OLD_AFTER_DAYS days."""
    for pin in pins:
        days = (today - pin["looked_at"]).days
        if days > OLD_AFTER_DAYS:
            yield (
                f"{pin['name']} {pin['version']}: last looked at {days} days ago; look for a newer patch version, "
                "then set looked_at in locks/pins.toml"
            )


def _known_holes() -> bool:
    command = (sys.executable, "-m", "pip_audit", "--requirement", "locks/embedded.txt", "--disable-pip", "--no-deps")
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=ROOT, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        sys.stdout.write("pip-audit: no answer from its service\n")
        return False
    said = done.stdout + done.stderr
    found = done.returncode == 1 and "vulnerabilit" in said
    sys.stdout.write(said if found else "pip-audit: " + (said.strip().splitlines() or ["nothing known"])[-1] + "\n")
    return found


def main() -> int:
    """Say all of it."""
    pins = read_pins()
    wrong = list(not_as_used(pins))
    for line in [*wrong, *old(pins, date.today())]:  # noqa: DTZ011 - days, where this is run
        sys.stdout.write(f"{line}\n")
    holes = "--pins-only" not in sys.argv[1:] and _known_holes()
    sys.stdout.write(f"{len(pins)} pins looked at\n")
    return 1 if wrong or holes else 0


if __name__ == "__main__":
    sys.exit(main())
