"""The code page of an old sheet: the one by which its bytes are words of one language.

A page is known when its letters are those of a language and no other page reads the same bytes as well. `Muñoz` of
Windows-1252 is `Muńoz` of Windows-1250, and both are names: then only who made the file knows.
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

WESTERN: Final = "cp1252"
# Those that Windows and the web write; the others only where none of these reads it (old Excels, DOS, Macs).
_USUAL: Final = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso8859-2", "koi8-r", "cp1255", "cp1256",
                 "shift_jis", "gb18030", "big5", "euc_kr", "euc_jp")  # fmt: skip
_OLD: Final = ("cp850", "cp852", "mac-roman", "cp866", "mac-latin2", "mac-cyrillic", "cp437")
_NAMED: Final = re.compile(
    r"utf[-_]?(8([-_]?sig)?|16([-_]?(le|be))?)|(windows[-_]?|cp|ibm)\d{3,4}|iso[-_]?8859[-_]\d{1,2}|latin[-_]?\d{1,2}"
    r"|koi8[-_][rut]|mac[-_]?(roman|latin2|cyrillic|greek|turkish)|s(hift)?[-_]?jis|euc[-_](jp|kr)|gbk|gb2312|gb18030|big5",
    re.ASCII,
)
# The letters of a language beyond a to z (CLDR, main and auxiliary for names); whole alphabets where it has its own.
_LETTERS: Final[Mapping[str, str]] = {
    "de": "äöüß", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúü", "it": "àèéìíîòóùú", "nl": "áéíóúëïöüèê",
    "pt": "áâãàçéêíóôõú",
    "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "hu": "áéíóöőúüű", "ro": "ăâîșşțţ",
    "hr": "čćđšž", "sq": "çë", "tr": "çğıİöşüâî", "lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž", "et": "äõöüšž", "fi": "äöåšž",
    "sv": "åäöé", "da": "æøåé", "no": "æøåéòô", "is": "áðéíóúýþæö", "ca": "àçéèíïóòúü",
    "ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "be": "абвгдеёжзійклмнопрстуўфхцчшыьэюя", "bg": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "sr": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "el": "αάβγδεέζηήθιίϊΐκλμνξοόπρσςτυύϋΰφχψωώ", "he": "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "ar": "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژگ",
}  # fmt: skip
_EAST: Final = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "HANGUL")
_APOSTROPHE: Final = "\u2019"
_SIGNS: Final = frozenset("€§©®™«»„“”…·•¿¡\u00a0\u2013\u2014\u2018\u2019\u201a\u2039\u203a\u3000、。\uff08\uff09・")
_OF_NUMBERS: Final = frozenset("£¥¢½¼¾°")
_RAISED: Final = frozenset("²³ªº¹")
_LONGEST_RUN: Final = 2  # letters with accents side by side
_LONGEST_EXAMPLE: Final = 12  # different letters that a question shows


class Page(NamedTuple):
    """A code page, and letters that only it reads as it does."""

    name: str
    letters: str


class _Read(NamedTuple):
    """The text that a page makes, and how good each of its places is, by language."""

    name: str
    text: str
    places: Mapping[str, Mapping[int, int]]

    def total(self) -> int:
        return max(sum(each.values()) for each in self.places.values())

    def at(self, positions: Sequence[int]) -> int:
        """How good these places are, by the languages that fit the whole text best."""
        best = self.total()
        fitting = [each for each in self.places.values() if sum(each.values()) == best]
        return max(sum(each.get(position, 0) for position in positions) for each in fitting)


def code_page(name: str) -> str | None:
    """Python's name of an encoding of text that keeps ASCII or says its order; None when there is none."""
    plain = name.strip().lower()
    if _NAMED.fullmatch(plain) is None:
        return None
    try:
        return codecs.lookup(plain.replace("windows-", "cp").replace("windows_", "cp")).name
    except LookupError:
        return None


@cache
def keeps_bytes(name: str) -> bool:
    """Whether each byte is a letter of its own, and the first 128 are ASCII."""
    try:
        some = bytes(range(256)) + b"\xc3\xa9\x81\x40"  # the last ones are a letter or two elsewhere
        ascii_alike = bytes(range(128)).decode(name) == bytes(range(128)).decode("ascii")
        return ascii_alike and len(some.decode(name, "replace")) == len(some)
    except UnicodeDecodeError:
        return False


def pages_of(content: bytes) -> list[Page]:
    """The pages that `content`, which is no UTF-8, may be of, the best first. One is certain; none: nobody knows."""
    for names in (_USUAL, _OLD):
        read: dict[str, _Read] = {}
        for name in names:
            found = _read(name, content)
            if found is not None:
                read.setdefault(found.text, found)
        good = sorted(read.values(), key=_Read.total, reverse=True)
        if good:
            return _named([good[0], *(each for each in good[1:] if not _clearly(good[0], each))])
    return []


def _named(possible: Sequence[_Read]) -> list[Page]:
    letters = [Counter(letter for letter in each.text if not letter.isascii()) for each in possible]
    found = []
    for read, mine in zip(possible, letters, strict=True):
        own = [letter for letter, _ in mine.most_common() if not all(letter in other for other in letters)]
        found.append(Page(read.name, "".join(own[:_LONGEST_EXAMPLE])))
    return found


def _clearly(best: _Read, other: _Read) -> bool:
    """Whether the best one is so by the places where the two differ."""
    if len(best.text) != len(other.text):
        return other.total() * 2 <= best.total()
    differing = [at for at, (mine, theirs) in enumerate(zip(best.text, other.text, strict=True)) if mine != theirs]
    mine, theirs = best.at(differing), other.at(differing)
    return mine > 0 and theirs * 2 <= mine


def _read(name: str, content: bytes) -> _Read | None:
    """None when the page has no such letters, or mostly makes no words of them."""
    try:
        text = content.decode(name)
    except UnicodeDecodeError:
        return None
    fixed: dict[int, int] = {}
    letters: dict[int, str] = {}
    for match in re.finditer(r"[^\x00-\x7f]", text):
        at, letter = match.start(), match[0]
        if unicodedata.category(letter) in ("Cc", "Cn", "Co"):
            return None
        judged = _place(text, at)
        if judged is None:
            letters[at] = letter.lower() if letter != "İ" else letter
        else:
            fixed[at] = judged
    places = {
        language: {**fixed, **{at: int(letter in alphabet) for at, letter in letters.items()}}
        for language, alphabet in _LETTERS.items()
    }
    found = _Read(name, text, places)
    return found if 2 * found.total() >= len(fixed) + len(letters) else None


def _place(text: str, at: int) -> int | None:  # noqa: PLR0911 - one line a kind of sign reads best
    """How good a sign is where it stands: 1, 0 or -1; None for a letter, which depends on the language."""
    letter = text[at]
    before, after = text[max(0, at - 1) : at], text[at + 1 : at + 2]
    if letter in _SIGNS:
        return 1 if letter == _APOSTROPHE or not (before.isalpha() and after.isalpha()) else -1
    beside = before.isalpha() or after.isalpha()
    if letter in _RAISED:
        return -1 if after.isalpha() else 0
    if not letter.isalpha():
        return -1 if beside else int(letter in _OF_NUMBERS)
    if before.isdecimal() or after.isdecimal():
        return 0
    script = _script(letter)
    if any(each.isalpha() and _script(each) != script for each in (before, after)):
        return -1
    within = before.islower() or (before.isalpha() and after.islower())
    if (letter.isupper() and within) or (script == "LATIN" and _run(text, at) > _LONGEST_RUN):
        return -1
    return 1 if script == "EAST" else None


def _run(text: str, at: int) -> int:
    """How many letters beyond ASCII stand side by side here; a few are enough to know."""
    first = last = at
    while first > at - 3 and not (before := text[first - 1 : first]).isascii() and before.isalpha():
        first -= 1
    while last < at + 3 and not (after := text[last + 1 : last + 2]).isascii() and after.isalpha():
        last += 1
    return last - first + 1


@cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "")
    return "EAST" if name.startswith(_EAST) else name.partition(" ")[0]
