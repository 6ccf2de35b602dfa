"""FIRSTHOUR_DATABASE alone decides how we connect to Postgres."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from shared.errors import FirsthourError

# The URL of the database that `firsthour run` keeps; whoever works with its state folder finds user and password in it.
STATE_FILE: Final = "database-url"
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+asyncpg")


class NotAPostgresUrl(FirsthourError):  # noqa: N818 - reads as what happened
    """FIRSTHOUR_DATABASE is of another kind; the message never shows it: there may be a password in it."""


def forget_libpq(environment: MutableMapping[str, str]) -> None:
    """Take libpq's variables (PGHOST, PGSSLMODE, PGTARGETSESSIONATTRS, PGPASSFILE …) out of the environment.

    asyncpg reads them for whatever it is not told, and some of it it cannot be told; in a developer's shell they are
    about another database.
    """
    for name in [name for name in environment if name.startswith("PG")]:
        del environment[name]


def with_state_password(url: str, state: Path) -> str:
    """The URL as it is; one without a user, of the database of `firsthour run`, with what that left in the folder."""
    given = urlsplit(url)
    try:
        known = (state / STATE_FILE).read_text(encoding="utf-8").strip()
        left = urlsplit(known)
    except (OSError, ValueError):
        return url
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
