"""FIRSTHOUR_DATABASE alone decides how we connect to Postgres."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from shared.errors import FirsthourError

# `firsthour run` leaves its database's URL here, with user and password, for every command that uses its state folder.
STATE_FILE: Final = "database-url"
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+asyncpg")


class NotAPostgresUrl(FirsthourError):  # noqa: N818 - reads as what happened
    """FIRSTHOUR_DATABASE is no Postgres URL; the message never shows it, as it may hold a password."""


def forget_libpq(environment: MutableMapping[str, str]) -> None:
    """Take libpq's variables (PGHOST, PGSSLMODE, PGTARGETSESSIONATTRS, PGPASSFILE …) out of the environment.

    asyncpg falls back to them, for some settings always; in a developer's shell they are meant for another database.
    """
    for name in [name for name in environment if name.startswith("PG")]:
        del environment[name]


def state_url(state: Path) -> str | None:
    """The URL that `firsthour run` left in the folder, with user and password."""
    try:
        left = (state / STATE_FILE).read_text(encoding="utf-8").strip()
        return left if urlsplit(left).hostname else None
    except (OSError, ValueError):
        return None


def with_state_password(url: str, state: Path) -> str:
    """The URL; for the database of `firsthour run` completed with the user and password left in the folder."""
    known = state_url(state)
    if known is None:
        return url
    given, left = urlsplit(url), urlsplit(known)
    same = left.netloc.rpartition("@")[2] == given.netloc and left.path == given.path
    return known if same else url


def dsn(url: str) -> str:
    """The URL as asyncpg reads it. Raises NotAPostgresUrl.

    It may hold libpq's parameters (`?sslmode=verify-full&sslrootcert=…`) and several hosts (`h1:5432,h2:5432`, or
    SQLAlchemy's `?host=h1:5432&host=h2:5432`).
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise NotAPostgresUrl("FIRSTHOUR_DATABASE must be a URL such as postgresql://user:password@host:5432/firsthour")
    said = parse_qs(parts.query)
    query = urlencode({name: ",".join(texts) if name == "host" else texts[-1] for name, texts in said.items()})
    return SplitResult("postgresql", parts.netloc, parts.path, query, "").geturl()
