"""What the forms of the field send: labels as they are, nested names of builders, old encodings, halves of names."""

from urllib.parse import quote_from_bytes

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.body import parse_form, parse_multipart
from services.ingest.domain.forms.read import read_form
from services.ingest.domain.names import person_name
from shared.events.types import LeadCaptured


def lead(form: dict[str, object]) -> LeadCaptured:
    read = read_form(form, {}, name="f").data
    assert isinstance(read, LeadCaptured)
    return read


@pytest.mark.parametrize(
    "name",
    [
        "No Label email", "Ihre E-Mail-Adresse", "E-Mail (Pflichtfeld)", "Your Email Address *", "Votre e-mail",
        "Adresse électronique", "Su correo", "Uw e-mailadres", "O seu e-mail", "Twój e-mail", "billing_email", "replyto",
        "E-Mail / Telefon", "input_3", "entry.123456", "form-email", "[E-mail] (obligatoire)", "Field7", "",
        "What is the best way to reach you?",
    ],
)  # fmt: skip
def test_the_only_address_of_a_form_is_the_address(name: str) -> None:
    assert lead({name: "ada@example.com", "message": "hi"}).identity.email == "ada@example.com"


@given(st.text(max_size=90).filter(lambda name: name[:1] != "_" and name not in ("bot-field", "message_id")))
def test_it_is_whatever_its_field_is_called(name: str) -> None:
    form: dict[str, object] = {name: "ada@example.com"}
    assert lead(form).identity.email == "ada@example.com"


def test_a_box_called_email_is_no_address_and_a_mistyped_one_is_not_replaced() -> None:
    assert lead({"email": "yes", "q7": "ada@example.com"}).identity.email == "ada@example.com"
    with pytest.raises(Refused):
        lead({"email": "ada@example", "recommended by": "grace@example.com"})
    assert lead({"q1": "ada@example.com", "q2": "grace@example.com"}).identity.email == "ada@example.com", "her own"
    assert lead({"E-Mail / Telefon": "+44 7700 900123"}).identity.phone == "+447700900123"


# Documented field names. Builders that number their fields leave the address to be known by its value.
BUILDERS: dict[str, dict[str, object]] = {
    # https://contactform7.com/tag-syntax/
    "contact form 7": {"your-name": "Ada Lovelace", "your-email": "ada@example.com", "your-message": "Hello"},
    # https://wpforms.com/developers/
    "wpforms": {
        "wpforms[fields][0][first]": "Ada", "wpforms[fields][0][last]": "Lovelace", "wpforms[fields][1]": "ada@example.com",
        "wpforms[fields][message]": "Hello",
    },
    # https://developers.elementor.com/docs/form-actions/
    "elementor": {"form_fields[name]": "Ada Lovelace", "form_fields[email]": "ada@example.com", "form_fields[message]": "Hello"},
    "elementor, advanced": {
        "form[name]": "Contact", "fields[name][value]": "Ada Lovelace", "fields[email][title]": "Email",
        "fields[email][value]": "ada@example.com", "fields[message][value]": "Hello",
    },
    # https://developers.ninjaforms.com/codex/submission-processing-hooks/
    "ninja": {"fields": [{"key": "name", "value": "Ada Lovelace"}, {"key": "email", "value": "ada@example.com"}, {"key": "message", "value": "Hello"}]},
    # https://www.jotform.com/help/527-how-to-get-the-name-of-a-field/
    "jotform": {"q3_name[first]": "Ada", "q3_name[last]": "Lovelace", "q4_email": "ada@example.com", "q5_message": "Hello"},
    # https://developers.webflow.com/data/docs/working-with-forms
    "webflow": {"name": "Contact", "data": {"Name": "Ada Lovelace", "Email Address": "ada@example.com", "Message": "Hello"}},
    # https://support.squarespace.com/hc/articles/206566687
    "squarespace": {"fname": "Ada", "lname": "Lovelace", "email": "ada@example.com", "textarea-message": "Hello", "message": "Hello"},
    # https://mailchimp.com/help/host-your-own-signup-forms/
    "mailchimp": {"MERGE0": "ada@example.com", "FNAME": "Ada", "LNAME": "Lovelace", "message": "Hello"},
    # https://fluentforms.com/docs/
    "fluent forms": {"names[first_name]": "Ada", "names[last_name]": "Lovelace", "email": "ada@example.com", "message": "Hello"},
    # https://wpmudev.com/docs/wpmu-dev-plugins/forminator/
    "forminator": {"name-1": "Ada Lovelace", "email-1": "ada@example.com", "your-message": "Hello"},
    # https://www.elegantthemes.com/documentation/divi/contact-form/
    "divi": {"et_pb_contact_name_0": "Ada Lovelace", "et_pb_contact_email_0": "ada@example.com", "et_pb_contact_message_0": "Hello"},
    # https://help.mautic.org/: form fields are posted as mauticform[alias]
    "mautic": {"mauticform[f_name]": "Ada Lovelace", "mauticform[f_email]": "ada@example.com", "mauticform[f_message]": "Hello"},
    # https://shopify.dev/docs/storefronts/themes/customer-engagement/add-contact-form
    "shopify": {"contact[name]": "Ada Lovelace", "contact[email]": "ada@example.com", "contact[body]": "Hello"},
    # https://docs.netlify.com/forms/setup/
    "netlify": {"form-name": "contact", "name": "Ada Lovelace", "email": "ada@example.com", "message": "Hello"},
}  # fmt: skip


@pytest.mark.parametrize("builder", sorted(BUILDERS))
def test_the_form_of_a_builder_is_a_lead(builder: str) -> None:
    read = lead(BUILDERS[builder])
    assert read.identity.email == "ada@example.com"
    assert read.message == "Hello"
    assert read.name == "Ada Lovelace"


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"Vorname": "Anna", "Name": "Müller"}, "Anna Müller"),
        ({"prenom": "Chloé", "nom": "Dupont"}, "Chloé Dupont"),
        ({"nombre": "Lucía", "apellidos": "García Pérez"}, "Lucía García Pérez"),
        ({"nome": "Giulia", "cognome": "Rossi"}, "Giulia Rossi"),
        ({"nome": "João", "sobrenome": "Silva"}, "João Silva"),
        ({"imię": "Paweł", "nazwisko": "Wójcik"}, "Paweł Wójcik"),
        ({"voornaam": "Sanne", "naam": "de Vries"}, "Sanne de Vries"),
        ({"name": "Ada Lovelace", "first_name": "Ada"}, "Ada Lovelace"),
        ({"name-first": "Ada", "name-last": "Lovelace"}, "Ada Lovelace"),
        ({"Nom et prénom": "Dupont Chloé"}, "Dupont Chloé"),
        ({"Name, Vorname": "Müller, Anna"}, "Müller, Anna"),
        ({"name": "Lovelace, Ada", "last_name": "Lovelace"}, "Lovelace, Ada"),
        ({"first_name": "Ada"}, "Ada"),
    ],
)
def test_both_halves_of_a_name_are_kept(form: dict[str, object], name: str) -> None:
    assert lead({"email": "a@example.com", **form}).name == name


WORD = st.from_regex(r"[A-Za-zäöüéł-]{1,12}", fullmatch=True)


@given(WORD, WORD)
def test_no_half_of_a_name_is_lost_or_said_twice(first: str, last: str) -> None:
    whole = f"{first} {last}"
    assert person_name(None, first, last) == whole
    for full in (first, last, whole):
        told = person_name(full, first if full != first else None, last if full != last else None)
        assert told in (whole, first, last)
        assert (
            full == whole or first == last or told == whole or {first.casefold(), last.casefold()} & {told.casefold()}
        )


CP1252 = quote_from_bytes("Jörg Müller".encode("cp1252"))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (f"name={CP1252}", ""),
        (f"name={CP1252}", "application/x-www-form-urlencoded; charset=iso-8859-1"),
        (f"name={CP1252}&_charset_=windows-1252", ""),
        (f"name={quote_from_bytes('Jörg Müller'.encode())}", ""),
        (f"name={quote_from_bytes('Jörg Müller'.encode())}", "application/x-www-form-urlencoded; charset=latin1000"),
        (f"name={quote_from_bytes('Jörg Müller'.encode('iso-8859-15'))}", "x/y; charset=ISO-8859-15"),
    ],
)
def test_the_letters_of_a_form_are_read_in_its_encoding(body: str, content_type: str) -> None:
    assert parse_form(body.encode(), content_type.encode())["name"] == "Jörg Müller"


def test_what_is_declared_is_believed() -> None:
    body = quote_from_bytes("Łódź".encode("cp1250")).encode()
    assert parse_form(b"city=" + body, b"x/y; charset=windows-1250")["city"] == "Łódź"
    assert parse_form(b"city=" + body + b"&_charset_=windows-1250")["city"] == "Łódź"
    assert parse_form(b"city=" + body, b"x/y; charset=utf-7")["city"] == "£ódŸ"


@pytest.mark.parametrize(
    ("inner", "content_type", "told"),
    [
        ("", "", ""),
        ("\r\nContent-Type: text/plain; charset=iso-8859-1", "", ""),
        ("", "; charset=windows-1252", ""),
        ("", "", '--b\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nwindows-1252\r\n'),
    ],
)
def test_so_are_those_of_a_multipart_form(inner: str, content_type: str, told: str) -> None:
    body = f'{told}--b\r\nContent-Disposition: form-data; name="name"{inner}\r\n\r\nJörg\r\n--b--\r\n'
    fields = parse_multipart(body.encode("cp1252"), f"multipart/form-data; boundary=b{content_type}".encode())
    assert fields["name"] == "Jörg"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=30,
)


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=6))
def test_any_nesting_is_read_or_refused(form: dict[str, object]) -> None:
    try:
        read = lead({**form, "email": "ada@example.com"})
    except Refused:
        return
    msgspec.json.encode(read)


@pytest.mark.parametrize(
    ("form", "phone"),
    [
        ({"phone": "07700 900123", "country": "GB"}, "+447700900123"),
        ({"land": "DE", "phone": "030 901820"}, "+4930901820"),
        ({"land": "Deutschland", "phone": "030 901820"}, "+4930901820"),
        ({"kraj": "Niemcy", "telefon": "030/901820"}, "+4930901820"),
        ({"country": "United Kingdom", "phone": "(07700) 900-123"}, "+447700900123"),
        ({"country": "uk", "phone": "07700 900123"}, "+447700900123"),
        ({"phone": "0044 7700 900123"}, "+447700900123"),
        ({"phone": "+44 7700 900123, +44 7700 900124"}, "+447700900123"),
        ({"phone": "07700 900123 or 07700 900124", "country": "GB"}, "+447700900123"),
        ({"phone": "07700 900123"}, None),
        # In parts: https://www.jotform.com/help/527-how-to-get-the-name-of-a-field/, intl-tel-input and selects beside it
        ({"q4_phone[area]": "030", "q4_phone[phone]": "901820", "country": "DE"}, "+4930901820"),
        ({"phone[code]": "+44", "phone[number]": "07700 900123"}, "+447700900123"),
        ({"phone": {"country": "GB", "number": "07700 900123"}}, "+447700900123"),
        ({"phone_country_code": "+49", "phone": "30 901820"}, "+4930901820"),
        ({"area_code": "030", "phone": "901820", "country": "DE"}, "+4930901820"),
        ({"country_code": "DE", "phone": "030 901820"}, "+4930901820"),
        ({"phone[area]": "030", "phone[full]": "+4930901820"}, "+4930901820"),
        ({"code": "SUMMER", "area": "Sales", "phone": "+44 7700 900123"}, "+447700900123"),
        ({"phone": "07700 900123", "country": "Atlantis"}, None),
    ],
)
def test_a_number_is_read_as_people_write_it_at_home(form: dict[str, object], phone: str | None) -> None:
    read = lead({"name": "Call Me", "email": "a@example.com", **form})
    assert read.identity.phone == phone
    if phone is not None:
        assert lead(form).identity.phone == phone


@pytest.mark.parametrize(
    "nothing", ["n/a", "undefined", "Keine", "-", "None", "(not set)", "aucun", "no tengo", "brak"]
)
def test_a_word_for_none_is_no_address_and_loses_no_lead(nothing: str) -> None:
    read = lead({"email": nothing, "phone": "+447700900123"})
    assert (read.identity.email, read.identity.phone) == (None, "+447700900123")
    assert lead({"email": "ada@example.com", "phone": nothing}).identity.phone is None
    with pytest.raises(Refused) as refused:
        lead({"email": nothing})
    assert [each.problem for each in refused.value.wrong] == ["is required: where shall we answer?"]
