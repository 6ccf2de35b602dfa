"""Search words: however somebody writes a name or dials a number, it is found."""

import unicodedata

import pytest

from services.scoring.domain.contact.words import asked, begins, of_company, said
from tests.unit.scoring.builders import a_contact, a_lead, after

ADA = a_lead(name="Ada Müller-Weiß", phone="+4915123456789", traits={"company": "Søren & Łukasz 24 7, 1-2-3 Café"})


def finds(question: str) -> bool:
    words = said(after(a_contact(), ADA).state).split()
    return all(begins(words, each) for each in asked(question))


@pytest.mark.parametrize(
    "question",
    [
        *("müller", "MÜLLER", "muller", "mueller", "mülle", "weiss", "weiß", "müller-weiß", "ada mull"),
        *("søren", "soren", "soeren", "lukasz", "cafe", "café", "24 7", "1-2-3", "sören"),
        *("+49 151 23456789", "0049 151 234", "+49151", "0151 2345", "0151/23456-789", "(0151) 23", "151 23456"),
        *("+49 (0)151 23", "+49(0) 151", "4915123", "015123", "ada 0151 234", "+49", "0151 ada"),
        unicodedata.normalize("NFD", "Müller Café"),
    ],
)
def test_it_is_found_however_it_is_written(question: str) -> None:
    assert finds(question)


@pytest.mark.parametrize(
    "question", ["moller", "maller", "+43 151", "0152", "0049 152 23", "25 7", "24 8", "0151 9", "ada 0152"]
)
def test_who_is_meant_by_something_else_is_not_found(question: str) -> None:
    assert not finds(question)


@pytest.mark.parametrize("question", ["", " ", "-", "+", "()", "&", "' | '", "\\", "½"])
def test_what_holds_no_word_is_no_question_that_breaks(question: str) -> None:
    assert all(word and all(word) for word in asked(question))


@pytest.mark.parametrize(
    ("question", "company", "found"),
    [
        ("grosse koenig", "Große König AG", True),
        ("große könig", "Grosse Koenig AG", True),
        ("grosse kaiser", "Große König AG", False),
        ("ada", "Große König AG", False),
        ("müller", "Große König AG", False),
    ],
)
def test_the_words_of_its_company_name_nobody(question: str, company: str, *, found: bool) -> None:
    words = of_company(after(a_contact(), a_lead(name="Ada Müller", traits={"company": company})).state)
    assert words is not None
    assert all(begins(words.split(), each) for each in asked(question)) is found


@pytest.mark.parametrize("company", [None, "", "&", 7])
def test_what_has_no_word_is_no_company_to_be_found_by(company: object) -> None:
    state = after(a_contact(), a_lead(name="Ada", traits={} if company is None else {"company": company})).state
    assert of_company(state) is None
