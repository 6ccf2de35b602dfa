"""Stored texts of which nothing but their bytes is known: those that name somebody go when that person is erased."""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

Texts: TypeAlias = Literal["dead_letters", "facts"]

_SHORTEST: Final = 6  # characters: less would match anybody's
# However it is written: what could not be read was not brought into one form either.
_DELETE: Final[dict[Texts, sa.TextClause]] = {
    table: sa.text(f"""
        DELETE FROM {table} WHERE EXISTS (
            SELECT FROM unnest(CAST(:words AS bytea[])) AS w (word)
            WHERE position(lower(encode(w.word, 'escape')) IN lower(encode(value, 'escape'))) > 0
        )
    """)  # noqa: S608 - names of ours
    for table in ("dead_letters", "facts")
}


async def delete_naming(conn: AsyncConnection, table: Texts, words: Iterable[str]) -> None:
    """Delete the texts that hold one of these words: addresses, numbers, ids. Words of a few letters are left out."""
    sought = [word.encode() for word in words if len(word) >= _SHORTEST]
    if sought:
        await conn.execute(_DELETE[table], {"words": sought})
