"""Old sheets tell no encoding: their letters are right, or somebody is asked; they are never silently wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.sheets.code_pages import _LETTERS, code_page, keeps_bytes, pages_of
from services.ingest.importing.understanding import Understanding, Wishes, answered, understand

KNOWN = [
    ("Müller;Jäger;Weiß", "cp1252"), ("Muñoz;García;José;Pérez", "cp1252"), ("Chloé;Brûlé;Hélène;François", "cp1252"),
    ("Łódź;Gdańsk;Paweł", "cp1250"), ("Łódź;Gdańsk;Paweł", "iso8859-2"), ("Žluťoučký kůň;Dvořák;Řehoř", "cp1250"),
    ("Szűcs;Gőz", "cp1250"), ("Müller;Jäger", "cp850"), ("Müller;Jäger", "mac-roman"), ("50 m²; 20 €", "cp1252"),
    ("O\u2019Brien \u2013 “x”", "cp1252"), ("£5", "cp1252"),
]  # fmt: skip
ASKED = [
    ("Muñoz", "cp1252"), ("Muńoz", "cp1250"), ("Иванов;Москва", "cp1251"), ("Иванов;Москва", "koi8-r"),
    ("I\u015f\u0131k;Çağlar;Şahin", "cp1254"), ("Kęstutis;Šarūnas", "cp1257"), ("田中;東京", "shift_jis"), ("张伟;北京", "gb18030"),
    ("김철수;서울", "euc_kr"),
]  # fmt: skip
PAGES = {
    **dict.fromkeys("de fr es it nl pt sv da no fi ca is".split(), "cp1252"),  # noqa: SIM905 - reads better
    **dict.fromkeys("pl cs sk hu hr".split(), "cp1250"),  # noqa: SIM905
    **dict.fromkeys("lt lv et".split(), "cp1257"),  # noqa: SIM905
    **dict.fromkeys("ru uk be bg sr".split(), "cp1251"),  # noqa: SIM905
    "tr": "cp1254",
    "el": "cp1253",
}  # fmt: skip


@pytest.mark.parametrize(("text", "page"), KNOWN)
def test_what_only_one_page_makes_words_of_is_known(text: str, page: str) -> None:
    assert [text.encode(page).decode(each.name) for each in pages_of(text.encode(page))] == [text]


@pytest.mark.parametrize(("text", "page"), ASKED)
def test_what_several_pages_read_is_asked_and_the_right_one_is_among_them(text: str, page: str) -> None:
    found = [each.name for each in pages_of(text.encode(page))]
    assert len(found) > 1
    assert page in found


@given(st.data())
def test_the_words_of_a_language_are_never_silently_others(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(PAGES)))
    page = PAGES[language]
    special = [letter for letter in _LETTERS[language] if letter.encode(page, "ignore")]
    word = st.builds(
        lambda a, b, c: f"{a}{b}{c}",
        st.text(st.sampled_from("bdklmnrst" if special[0] < "\u0250" else special), min_size=1, max_size=3),
        st.sampled_from(special),
        st.text(st.sampled_from("aeioubdn" if special[0] < "\u0250" else special), min_size=1, max_size=3),
    )
    text = ";".join(data.draw(st.lists(word, min_size=1, max_size=6)))
    read = [text.encode(page).decode(each.name, "replace") for each in pages_of(text.encode(page))]
    assert len(read) != 1 or read == [text]


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("windows-1250", "cp1250"), ("CP1250", "cp1250"), ("iso-8859-2", "iso8859-2"), ("Latin-1", "iso8859-1"), ("UTF-8", "utf-8"),
        ("mac_roman", "mac-roman"), ("idna", None), ("zlib", None), ("unicode_escape", None), ("cp9999", None), ("", None),
    ],
)  # fmt: skip
def test_names_of_pages(name: str, python: str | None) -> None:
    assert code_page(name) == python


def test_which_pages_keep_their_bytes() -> None:
    assert [keeps_bytes(name) for name in ("cp1250", "cp850", "utf-8", "shift_jis", "utf-16-le", "cp037")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip


def understood(tmp_path: Path, content: bytes, encoding: str | None = None) -> Understanding:
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    return understand(path, Wishes(encoding=encoding))


def test_an_accent_far_below_in_the_file_is_seen(tmp_path: Path) -> None:
    rows = "".join(f"p{number}@example.com,Ann,Acme\n" for number in range(60_000))
    found = understood(tmp_path, f"email,name,company\n{rows}".encode() + "z@example.com,Paweł,Łódź\n".encode("cp1250"))
    assert (found.shape.encoding, found.questions) == ("cp1250", ())


def test_lines_of_another_page_in_a_utf_8_file_are_read_by_it(tmp_path: Path) -> None:
    first = "email,name\na@example.com,Müller\n".encode()
    found = understood(tmp_path, first + "z@example.com,Paweł Łódź\n".encode("cp1250"))
    assert (found.shape.encoding, found.shape.page, found.questions) == ("utf-8", "cp1250", ())
    assert found.shape.text(first + "Paweł Łódź\n".encode("cp1250")).endswith("Müller\nPaweł Łódź\n")
    told = understood(tmp_path, first + "z@example.com,Muñoz\n".encode("cp1252"), "windows-1252")
    assert (told.shape.encoding, told.shape.page, told.questions) == ("utf-8", "cp1252", ())


def test_the_question_shows_letters_and_nobodys_name(tmp_path: Path) -> None:
    found = understood(tmp_path, "email,name\na@example.com,Muñoz\n".encode("cp1252"))
    (question,) = found.questions
    assert question.option == "--encoding"
    assert question.text == "it is not UTF-8: which letters are right, ñ (cp1252) or ń (cp1250)?"
    assert question.accepts("cp1250")
    assert question.accepts("windows-1254")
    assert not question.accepts("polish")
    assert answered(Wishes(), {"--encoding": "cp1250"}).encoding == "cp1250"


@pytest.mark.parametrize("page", ["shift_jis", "gb18030", "utf-16", "cp1250"])
def test_any_page_can_be_said(tmp_path: Path, page: str) -> None:
    name = "Paweł" if page == "cp1250" else "東京"
    found = understood(tmp_path, f"email,name\na@example.com,{name}\n".encode(page), page)
    assert (found.questions, found.rows) == ((), (("a@example.com", name),))
