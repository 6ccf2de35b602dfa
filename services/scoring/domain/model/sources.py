"""Sources by the names that the business gives them."""


def short_name(source: str | None) -> str:
    """`website` of `/sources/website`."""
    return source.rpartition("/")[2] if source else ""
