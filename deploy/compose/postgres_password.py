# ruff: noqa: INP001 - a script of the image, not a package
"""The database's password, made once into a volume: no default that everyone knows, and nothing to prepare.

Writes `postgres-password` for the database and `database-url` for the services (both 0600). What is there,
stays: the database took its password when its volume was new.
"""

import secrets
import sys
from pathlib import Path

from shared.secrets import write_private


def main(folder: Path) -> int:
    """Make what is missing in the folder; always 0."""
    password, url = folder / "postgres-password", folder / "database-url"
    if not password.exists():
        write_private(password, secrets.token_urlsafe(32))
    if not url.exists():
        word = password.read_text(encoding="utf-8")
        write_private(url, f"postgresql://firsthour:{word}@postgres:5432/firsthour")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
