"""What makes a lead of a form: its body, its names, its signs of a robot, and where its visitor goes next."""

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from crawlerdetect import CrawlerDetect
from crawlerdetect.providers.crawlers import data as crawlers
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.crawlers import is_crawler
from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.body import FormFields, parse_form, parse_multipart
from services.ingest.domain.forms.names import usual_field, words_in
from services.ingest.domain.forms.read import campaign_in, read_form
from services.ingest.domain.forms.redirect import redirect_of
from services.ingest.domain.likelihood import Agents, Visitor, human_likelihood, is_robot
from services.ingest.domain.rate import Rate, parse_rate, take
from services.ingest.domain.stamp import fill_seconds, make_stamp

NOW = datetime(2026, 1, 1, 10, tzinfo=UTC)
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


def part(name: str, value: str, more: str = "") -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


def data_of(form: Mapping[str, object], mapping: Mapping[str, str] | None = None, **options: Any) -> Any:
    return read_form(form, mapping or {}, name="f", **options).data


def multipart(*parts: str) -> FormFields:
    return parse_multipart(("".join(parts) + "--b--\r\n").encode(), b"multipart/form-data; boundary=b")


def test_text_fields_of_a_multipart_form_are_read() -> None:
    fields = multipart(part("email", "ada@example.com"), part("Nachricht", "Grüße\r\nund Dank"), part("email", "x"))
    assert fields == {"email": ["ada@example.com", "x"], "Nachricht": "Grüße\r\nund Dank"}


def test_a_file_is_refused_by_name_and_an_empty_file_input_is_nothing() -> None:
    assert multipart(part("email", "a@b.de"), part("cv", "", '; filename=""')) == {"email": "a@b.de"}
    with pytest.raises(Refused) as refused:
        multipart(part("email", "a@b.de"), part("cv", "%PDF", '; filename="cv.pdf"'))
    assert refused.value.wrong[0].at == "/cv"
    assert "file" in refused.value.wrong[0].problem


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b\r\n", b"multipart/form-data"),
        (b"nonsense", b"multipart/form-data; boundary=b"),
        (b"", b"multipart/form-data; boundary=b"),
        (part("email", "x").encode(), b"multipart/form-data; boundary=b"),  # no last boundary
        (b"--b\r\n\r\nno headers\r\n--b--\r\n", b"multipart/form-data; boundary=b"),
        (("".join(part(f"f{n}", "x") for n in range(101)) + "--b--\r\n").encode(), b"multipart/form-data; boundary=b"),
        ((part("x" * 300, "x") + "--b--\r\n").encode(), b"multipart/form-data; boundary=b"),
        ((part("x", "x", "; a=" + "y" * 9000) + "--b--\r\n").encode(), b"multipart/form-data; boundary=b"),
    ],
)  # fmt: skip
def test_a_broken_multipart_body_is_refused(body: bytes, content_type: bytes) -> None:
    with pytest.raises(Refused):
        parse_multipart(body, content_type)


@given(st.binary(max_size=400), st.sampled_from([b"b", b"--", b"\xff", b'"b"', b"b" * 300]))
def test_no_multipart_body_does_worse_than_being_refused(body: bytes, boundary: bytes) -> None:
    for whole in (
        body,
        b"--b\r\n" + body,
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + body + b"\r\n--b--",
    ):
        try:
            fields = parse_multipart(whole, b"multipart/form-data; boundary=" + boundary)
        except Refused:
            continue
        assert all(isinstance(value, str) for value in fields.values())


@given(st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,20}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1), max_size=20))  # fmt: skip
def test_what_a_browser_sends_is_what_is_read(fields: dict[str, str]) -> None:
    assert multipart(*(part(name, value) for name, value in fields.items())) == fields


@given(st.binary(max_size=300))
def test_no_urlencoded_body_does_worse_than_being_refused(body: bytes) -> None:
    with contextlib.suppress(Refused):
        assert all(isinstance(value, str) for value in parse_form(body).values())


def test_the_campaign_is_that_of_the_fields_else_of_the_page_else_of_the_referrer() -> None:
    def campaign(form: dict[str, str], came_from: str | None = None) -> Any:
        return data_of({"email": "a@example.com", **form}, came_from=came_from).campaign

    page = "https://example.com/?utm_source=news&gclid=G1&x=1"
    assert campaign({"utm_source": "form", "page": page}).source == "form"
    assert (campaign({"page": page}).source, campaign({"page": page}).gclid) == ("news", "G1")
    assert campaign({}, came_from=page).gclid == "G1"
    assert campaign({"referrer": "https://other.example/?fbclid=F1"}).fbclid == "F1"
    assert campaign({}) is None


@given(st.text())
def test_any_address_has_a_campaign_or_none(url: str) -> None:
    assert all(isinstance(value, str) for value in campaign_in(url).values())


def test_consent_keeps_the_words_that_were_shown() -> None:
    def consent(form: dict[str, str], wording: str | None = None) -> Any:
        return data_of({"email": "a@example.com", "page": "https://x.example/p", **form}, wording=wording).consent

    given = consent({"consent": "on", "consent_wording": "Yes, write to me."}, "of the configuration")
    assert (given.email, given.wording, given.proof) == (True, "Yes, write to me.", "form on https://x.example/p")
    assert consent({"newsletter": "ja"}, "Ja, gern.").wording == "Ja, gern."
    assert consent({"consent": "no"}).email is False
    assert consent({}, "Ja, gern.").email is None, "a box that was left alone takes nothing back"
    assert consent({}) is None


@pytest.mark.parametrize(
    ("ticked", "email"),
    [
        ("on", True), ("1", True), ("Oui", True), (True, True), (["0", "1"], True), ("Ja, gern.", True),
        ("nein", False), ("0", None), (False, None), (["0"], None), ("by phone only", None),
    ],
)  # fmt: skip
def test_what_a_consent_box_can_say(ticked: object, email: bool | None) -> None:
    lead = data_of({"email": "a@example.com", "rgpd": ticked}, wording="Ja, gern.")
    assert (lead.consent.email, lead.consent.wording) == (email, "Ja, gern.")
    assert lead.traits == ({"rgpd": ticked} if ticked == "by phone only" else {}), "what is unclear is not lost"


@pytest.mark.parametrize(
    ("sent", "ours"),
    [
        ("E-Mail-Adresse", "email"), ("your-email", "email"), ("form_fields[email]", "email"), ("contact[email][]", "email"),
        ("Adresse e-mail", "email"), ("Téléphone", "phone"), ("Numéro de téléphone", "phone"), ("Prénom", "first"),
        ("Imię", "name"), ("Société", "company"), ("Wiadomość", "message"), ("País", "country"), ("Móvil", "phone"),
        ("EMAIL", "email"), ("FNAME", "first"), ("mauticform[f_email]", "email"), ("url", None), ("[]", None), ("", None),
    ],
)  # fmt: skip
def test_a_field_is_known_by_its_usual_name(sent: str, ours: str | None) -> None:
    assert usual_field(sent) == ours


def test_boxes_of_one_name_are_all_kept() -> None:
    form = parse_form(b"email=&email=a@example.com&email=b@example.com&topic=prices&topic=&topic=demo&tool=x&tool=y")
    lead = data_of(form)
    assert (lead.identity.email, lead.interest, lead.traits) == ("a@example.com", "prices, demo", {"tool": "x, y"})


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(Refused) as refused:
        read_form({"email": "a@example.com", "cv": {}, "tags": [1]}, {}, name="f")
    assert [(each.at, each.problem.split(":")[0]) for each in refused.value.wrong] == [
        ("/cv", "must be text"), ("/tags", "must be text"),
    ]  # fmt: skip


def test_a_mapping_goes_before_the_guesses() -> None:
    mapping = {"email": "field_1", "consent": "field_2", "first": "field_3"}
    form = {"field_1": "a@example.com", "email": "b@example.com", "field_2": "on", "field_3": "Ada"}
    lead = data_of(form, mapping)
    assert (lead.identity.email, lead.consent.email, lead.name) == ("a@example.com", True, "Ada")
    assert lead.traits == {"email": "b@example.com"}


@given(st.floats(0, 1_000_000), st.binary(min_size=1))
def test_a_stamp_tells_how_long_it_took(seconds: float, secret: bytes) -> None:
    stamp = make_stamp(secret, "website", NOW)
    measured = fill_seconds(secret, "website", stamp, NOW + timedelta(seconds=seconds))
    assert measured == pytest.approx(seconds, abs=0.002)


@given(st.text() | st.from_regex(r"\d{1,20}\.[A-Za-z0-9_-]{16}", fullmatch=True))
def test_a_made_up_stamp_is_nothing(stamp: str) -> None:
    assert fill_seconds(b"secret", "website", stamp, NOW) is None


def test_a_stamp_is_for_one_source_and_not_for_the_future() -> None:
    stamp = make_stamp(b"secret", "website", NOW)
    assert fill_seconds(b"secret", "other", stamp, NOW) is None
    assert fill_seconds(b"other", "website", stamp, NOW) is None
    assert fill_seconds(b"secret", "website", stamp, NOW - timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("visitor", "likely", "reasons"),
    [
        (Visitor(), True, []),
        (Visitor(agent=CHROME), True, []),
        (Visitor(agent="curl/8.5"), True, []),
        (Visitor(agent="WordPress/6.5; https://example.com"), True, []),
        (Visitor(agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), False, ["robot_agent"]),
        (Visitor(agent="Mozilla/5.0 HeadlessChrome/126.0 Safari/537.36"), False, ["robot_agent"]),
        (Visitor(honeypot=True), False, ["honeypot"]),
        (Visitor(fill_s=0.4, least_fill_s=2), False, ["filled_in_too_fast"]),
        (Visitor(fill_s=1.5, least_fill_s=2), False, ["filled_in_too_fast"]),
        (Visitor(fill_s=2.1, least_fill_s=2), True, []),
        (Visitor(fill_s=0.4, least_fill_s=0), True, []),
        (Visitor(forged=True), False, ["forged_stamp"]),
        (Visitor(after_mail_s=4, data_centre=True), False, ["data_centre_click_after_mail"]),
        (Visitor(after_mail_s=4), True, []),
        (Visitor(after_mail_s=0.5), False, ["click_at_once_after_mail"]),
        (Visitor(after_mail_s=4000, data_centre=True), False, ["data_centre_click"]),
        (Visitor(data_centre=True), True, []),
    ],
)  # fmt: skip
def test_what_speaks_against_a_person(visitor: Visitor, likely: bool, reasons: list[str]) -> None:
    likelihood, why = human_likelihood(visitor)
    assert (likelihood >= 0.5, why) == (likely, reasons)


@given(
    st.builds(
        Visitor,
        agent=st.none() | st.text() | st.sampled_from([CHROME, "Googlebot"]),
        honeypot=st.booleans(),
        fill_s=st.none() | st.floats(0, 100),
        least_fill_s=st.floats(0, 60),
        forged=st.booleans(),
        data_centre=st.booleans(),
        after_mail_s=st.none() | st.floats(-100, 100),
    )
)
def test_a_likelihood_is_one_exactly_when_there_is_no_reason(visitor: Visitor) -> None:
    likelihood, reasons = human_likelihood(visitor)
    assert 0 <= likelihood <= 1
    assert (likelihood == 1) == (not reasons)
    assert human_likelihood(visitor._replace(honeypot=True))[0] <= likelihood


@given(st.text())
def test_any_user_agent_is_judged(agent: str) -> None:
    assert is_robot(agent) in (True, False)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.integers(1, 20), st.floats(0.1, 50))
def test_a_rate_lets_through_its_burst_and_then_its_share(gaps: list[float], burst: int, per_second: float) -> None:
    due, now, passed, waited = 0.0, 1000.0, [], None
    rate = Rate(per_second, burst)
    for gap in gaps:
        now += gap
        due, wait = take(due, rate, now)
        if wait == 0:
            passed.append(now)
        else:
            waited = now + wait
            assert take(due, rate, waited + 1e-6)[1] == 0, "after the wait that was told, it passes"
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) * per_second + 1e-6
    assert len(passed) >= min(len(gaps), burst) or waited is not None


def test_rates_are_written_as_people_say_them() -> None:
    assert (parse_rate("100/s"), parse_rate("30/m"), parse_rate(" 3600 / h ")) == (
        Rate(100, 100),
        Rate(0.5, 30),
        Rate(1, 3600),
    )
    for wrong in ("", "10", "10/d", "-1/s", "0/s", "x/s", "1.5/s"):
        with pytest.raises(ValueError, match="must be a rate"):
            parse_rate(wrong)


ORIGINS = frozenset({"https://example.com", "http://localhost:3000"})


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("https://example.com/thanks?x=1", True),
        ("http://localhost:3000/", True),
        ("https://EXAMPLE.com/x", True),
        ("https://evil.example/", False),
        ("//evil.example/", False),
        ("/local", False),
        ("https://example.com@evil.example/", False),
        ("https://example.com.evil.example/", False),
        ("https://example.com\\@evil.example/", False),
        ("https://example.com:443/", False),
        ("http://example.com/", False),
        ("javascript:alert(1)//https://example.com", False),
        ("https://example.com/\r\nSet-Cookie: x", False),
        ("https://example.com/ x", False),
        ("https://[", False),
        (7, False),
    ],
)
def test_a_form_sends_nobody_to_a_page_that_is_not_listed(asked: object, goes: bool) -> None:
    assert redirect_of({"_next": asked}, ORIGINS, "https://example.com/own") == (
        asked if goes else "https://example.com/own"
    )


@given(st.text())
def test_whatever_a_form_asks_for_it_stays_on_the_listed_origins(asked: str) -> None:
    goes = redirect_of({"_redirect": asked}, ORIGINS, None)
    assert goes is None or goes.lower().startswith(tuple(ORIGINS))


@given(
    word=st.sampled_from(crawlers), before=st.sampled_from(["", "Mozilla/5.0 (X11; Linux) ", "x"]),
    after=st.sampled_from(["", " (KHTML, like Gecko) Chrome/1.0 Safari/1"]), cut=st.integers(0, 2), loud=st.booleans(),
)  # fmt: skip
def test_a_crawler_is_told_as_the_library_tells_it(word: str, before: str, after: str, cut: int, loud: bool) -> None:
    plain = re.sub(r"\\(.)", r"\1", word).replace("[0-9]", "7").strip("^$")[cut:]
    agent = f"{before}{plain.upper() if loud else plain}{after}"
    assert is_crawler(agent) == CrawlerDetect().isCrawler(agent)


def test_of_one_request_only_a_few_new_agents_are_judged() -> None:
    agents = Agents()
    told = [agents.one(f"Browser of visitor {number} {'x' * 650}") for number in range(150)]
    assert len([each for each in told if each is not None]) == 8
    human_likelihood(Visitor(told[0]))
    assert Agents().one(told[0]) is not None
    again = Agents()
    assert all(again.one(told[0]) for _ in range(150)), "what is remembered costs nothing"


def test_letters_that_come_apart_cost_no_more_than_others() -> None:
    """One letter is eighteen after it: of 27 KB of them a consent made 4 MB."""
    words = words_in("\ufdfa" * 9000)
    assert sum(map(len, words)) <= 1500
    assert words_in("Ich bin einverstanden. " * 20)[-1] == "einverstanden"
