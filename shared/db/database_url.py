"""FIRSTHOUR_DATABASE alone decides how we connect to Postgres."""

from collections.abc import MutableMapping
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from shared.errors import FirsthourError

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
