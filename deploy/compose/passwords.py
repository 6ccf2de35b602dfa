# ruff: noqa: INP001 - a script of the image, not a package
"""The passwords, made once into a volume: no default that everyone knows, and nothing to prepare.

Writes `postgres-password` for the database, `database-url` for the services and `grafana-password` for Grafana's user
`admin` (all 0600). What is there, stays: each took its password when its volume was new.
"""

import secrets
import sys
from pathlib import Path

from shared.secrets import write_private


def main(folder: Path) -> int:
    """Make what is missing in the folder; always 0."""
    url = folder / "database-url"
    for name in ("postgres-password", "grafana-password"):
        if not (folder / name).exists():
            write_private(folder / name, secrets.token_urlsafe(32))
    if not url.exists():
        word = (folder / "postgres-password").read_text(encoding="utf-8")
        write_private(url, f"postgresql://firsthour:{word}@postgres:5432/firsthour")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
