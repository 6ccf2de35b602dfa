"""CHECKs whose values come from the type that the code uses."""

from collections.abc import Sequence


def one_of(column: str, values: Sequence[str]) -> str:
    """SQL: the column holds one of these values."""
    return f"{column} IN ({', '.join(repr(each) for each in values)})"
