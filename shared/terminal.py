"""What others wrote, fit for a terminal."""


def printable(text: str) -> str:
    """Nothing that a terminal obeys: whoever fills in a form may write escape sequences into a name."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
