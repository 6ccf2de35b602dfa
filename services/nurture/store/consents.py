"""SQL on consents: one row per address (or contact), channel and purpose."""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.domain.mail.consent import Matter, Word, about
from shared.db.arrays import Rows
from shared.db.statement import Statement

_LATER: Final = "(excluded.said_at, NOT excluded.given) > (c.said_at, NOT c.given)"
WORDS: Final[Rows[Word]] = Rows(
    tables.consents,
    {name: attrgetter(f"matter.{name}") for name in Matter._fields}
    | {"given": attrgetter("given"), "said_at": attrgetter("at")},
)
_UNLESS_LATER: Final = f"""
    ON CONFLICT (subject, channel, purpose) DO UPDATE SET given = excluded.given, said_at = excluded.said_at
    WHERE {_LATER}
"""


def kept(words: Rows[Word], where: str = "") -> str:
    """SQL that keeps these words; a later stored word stays."""
    return f"{words.inserted('c')} {where} {_UNLESS_LATER}"


_KEEP: Final = Statement(kept(WORDS))
_ADOPT: Final = sa.text(f"""
    INSERT INTO consents AS c (subject, channel, purpose, given, said_at)
    SELECT DISTINCT ON (u.survivor, l.channel, l.purpose) u.survivor, l.channel, l.purpose, l.given, l.said_at
    FROM unnest(CAST(:losers AS text[]), CAST(:survivors AS text[])) AS u (loser, survivor)
    JOIN consents AS l ON l.subject = u.loser
    ORDER BY u.survivor, l.channel, l.purpose, l.said_at DESC, l.given
    {_UNLESS_LATER}
""")  # noqa: S608 - no input
_WORDS: Final = sa.text("""
    SELECT subject, channel, purpose, given, said_at FROM consents
    WHERE subject = ANY(CAST(:subjects AS text[])) AND channel = :channel
""")


async def keep(conn: AsyncConnection, words: Sequence[Word]) -> None:
    """Store these words, one per matter and in their order (`last_words`); a later stored word stays."""
    if words:
        await _KEEP.run(conn, WORDS.arrays(words))


async def adopt(conn: AsyncConnection, merges: Mapping[UUID, UUID]) -> None:
    """Give the words on merged contacts as a whole to their survivors."""
    pairs = [(about(loser), about(survivor)) for loser, survivor in sorted(merges.items())]
    await conn.execute(_ADOPT, {"losers": [pair[0] for pair in pairs], "survivors": [pair[1] for pair in pairs]})


async def words(conn: AsyncConnection, subjects: Collection[str], channel: str) -> list[Word]:
    """The last words on these subjects and this channel."""
    rows = await conn.execute(_WORDS, {"subjects": sorted(subjects), "channel": channel})
    return [Word(Matter(row.subject, row.channel, row.purpose), row.given, row.said_at) for row in rows]
