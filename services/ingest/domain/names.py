"""Joins a person's name from the parts that a form, a sheet or a shop sends. Every way in uses this."""


def person_name(full: str | None, first: str | None, last: str | None) -> str | None:
    """`Ada Lovelace`, or what there is of it, in the order in which its halves are said.

    The word for a whole name is that for one of its halves in most languages (Vorname and Name, nombre and apellidos):
    beside one half, what is called the name is the other one, unless it holds that half already.
    """
    if full and not (first and last):
        if first and not _holds(full, first):
            return f"{first} {full}"
        if last and not _holds(full, last):
            return f"{full} {last}"
    return full or " ".join(part for part in (first, last) if part) or None


def _holds(full: str, half: str) -> bool:
    return f" {half} ".casefold() in f" {full.replace(',', ' ')} ".casefold()
