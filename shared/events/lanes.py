"""The lanes in which events and updates travel."""

from typing import Final, Literal, TypeAlias, get_args

Lane: TypeAlias = Literal["live", "bulk"]  # bulk: an import or a backfill
LANES: Final[tuple[Lane, ...]] = get_args(Lane)
