"""Joins a person's name from the parts that a form, a sheet or a shop sends."""

import re
from typing import Final

# Chinese characters, kana and hangul: names in them are said with the family first, whatever asked for the halves.
_EAST: Final = re.compile(r"[\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\s]+")


def person_name(full: str | None, first: str | None, last: str | None, *, family_first: bool = False) -> str | None:
    """`Ada Lovelace`, or what there is of it, in the order in which its halves are said.

    The word for a whole name is that for one of its halves in most languages (Vorname and Name, nombre and apellidos):
    beside one half, what is called the name is the other one, unless it holds that half already. `family_first`: in the
    language of who asked (Hungarian) the family's name goes first.
    """
    if full and not (first and last):
        if first and not _holds(full, first):
            return _joined(first, full, family_first=family_first)
        if last and not _holds(full, last):
            return _joined(full, last, family_first=family_first)
    if full or not (first and last):
        return full or first or last or None
    return _joined(first, last, family_first=family_first)


def _joined(first: str, last: str, *, family_first: bool) -> str:
    both = f"{first} {last}"
    if not family_first and (both.isascii() or not _EAST.fullmatch(both)):
        return both
    return f"{last} {first}"


def _holds(full: str, half: str) -> bool:
    return f" {half} ".casefold() in f" {full.replace(',', ' ')} ".casefold()
