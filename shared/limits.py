"""Limits that hold in more than one service."""

from typing import Final

LONGEST_URL: Final = 2000  # characters
SHORTEST_SOUGHT: Final = 6  # characters of what erasure searches for in stored bodies: less would match anybody's
