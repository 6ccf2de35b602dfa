"""Limits that hold in more than one service."""

from typing import Final

LONGEST_URL: Final = 2000  # characters
