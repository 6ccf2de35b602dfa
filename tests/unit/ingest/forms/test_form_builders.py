"""Forms by the field names that their builders document; each case names the page."""

from typing import Any
from urllib.parse import quote

import pytest

from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.body import parse_form
from services.ingest.domain.forms.names import MOST_FIELDS
from services.ingest.domain.forms.read import read_form
from shared.events.types import LeadCaptured

ADA = "ada@example.com"
Form = dict[str, object]

# Builder (page) → form. Each is Ada Lovelace's, with her message where the builder has a field for one.
BUILDERS: dict[str, Form] = {
    "Gravity Forms (docs.gravityforms.com/webhooks-add-on)": {
        "Name (First)": "Ada", "Name (Last)": "Lovelace", "Email": ADA, "Message": "Hello",
    },
    "Formidable (formidableforms.com/knowledgebase/frm_after_create_entry)": {
        "item_meta[6][first]": "Ada", "item_meta[6][last]": "Lovelace", "item_meta[8]": ADA, "item_meta[message]": "Hello",
    },
    "Everest Forms, its address confirmed (github.com/wpeverest/everest-forms: field-email)": {
        "everest_forms[form_fields][fullname]": "Ada Lovelace", "everest_forms[form_fields][email][primary]": ADA,
        "everest_forms[form_fields][email][secondary]": ADA, "everest_forms[form_fields][message]": "Hello",
    },
    "Everest Forms (docs.everestforms.net)": {
        "everest_forms[form_fields][fullname_1]": "Ada Lovelace", "everest_forms[form_fields][email_2]": ADA,
        "everest_forms[form_fields][message_3]": "Hello",
    },
    "Ninja Forms, as a form (developer.ninjaforms.com/codex/form-submission-data)": {
        "fields[1][value]": "Ada Lovelace", "fields[1][key]": "name", "fields[2][value]": ADA, "fields[2][key]": "email",
        "fields[3][value]": "Hello", "fields[3][key]": "message",
    },
    "MetForm (wpmet.com/doc/metform)": {
        "mf-listing-fname": "Ada", "mf-listing-lname": "Lovelace", "mf-email": ADA, "mf-textarea": "Hello",
    },
    "Jetpack (jetpack.com/support/jetpack-blocks/contact-form)": {
        "g12-name": "Ada Lovelace", "g12-email": ADA, "g12-message": "Hello", "contact-form-id": "12",
    },
    "Wix (dev.wix.com: form submissions)": {
        "data": {"field:first_name_8f3b": "Ada", "field:last_name_abcd": "Lovelace", "field:email_5139": ADA,
                 "field:message_77aa": "Hello", "formName": "Contact"},
    },
    "Wix, automations (support.wix.com: send a webhook)": {
        "submissions": [{"label": "First name", "value": "Ada"}, {"label": "Last name", "value": "Lovelace"},
                        {"label": "Email", "value": ADA}, {"label": "Your message", "value": "Hello"}],
    },
    "Unbounce (documentation.unbounce.com: webhooks)": {
        "page_name": "Offer", "variant": "a",
        "data.json": f'{{"email": ["{ADA}"], "first_name": ["Ada"], "last_name": ["Lovelace"], "message": ["Hello"]}}',
    },
    "JotForm's webhook (jotform.com/help/245-how-to-setup-a-webhook-with-jotform)": {
        "formID": "1", "pretty": "Name:Ada Lovelace, E-mail:" + ADA,
        "rawRequest": f'{{"q3_name": {{"first": "Ada", "last": "Lovelace"}}, "q4_email": "{ADA}", "q5_message": "Hello"}}',
    },
    "Heyflow (heyflow.help/en/articles/5469495-webhook-api)": {
        "flowID": "contact", "id": "7b1f", "createdAt": "2025-04-24T11:18:55Z",
        "fields": {"First name": "Ada", "Last name": "Lovelace", "Email": ADA, "Message": "Hello"},
    },
    "Heyflow, extended (niro.gitbook.io/niro/integrations/webhook-api)": {
        "id": "7b1f", "flowId": "contact", "created": "2025-04-24T11:18:55.706Z",
        "fields": [{"label": "First name", "variable": "first_name", "id": "in-1", "values": [{"label": "Ada", "id": "in-1"}]},
                   {"label": "Last name", "variable": "last_name", "id": "in-2", "values": [{"label": "Lovelace", "id": "in-2"}]},
                   {"label": "Email", "variable": "email", "id": "in-3", "values": [{"label": ADA, "id": "in-3"}]},
                   {"label": "Message", "variable": "message", "id": "in-4", "values": [{"label": "Hello", "id": "in-4"}]}],
    },
    "Perspective (help.perspective.co: webhooks)": {
        "profile": {"firstName": {"title": "First name", "value": "Ada"}, "lastName": {"title": "Last name", "value": "Lovelace"},
                    "email": {"title": "E-mail", "value": ADA}, "message": {"title": "Message", "value": "Hello"}},
    },
    "Google Forms (developers.google.com/apps-script/guides/triggers/events)": {
        "namedValues": {"Email Address": [ADA], "Full Name": ["Ada Lovelace"], "Message": ["Hello"], "Timestamp": ["1/2/2026"]},
    },
    "Salesforce Web-to-Lead (help.salesforce.com: generate web-to-lead form)": {
        "oid": "00D", "retURL": "https://example.com", "first_name": "Ada", "last_name": "Lovelace", "email": ADA,
        "company": "Engines", "description": "Hello",
    },
    "Zoho CRM (help.zoho.com/portal/en/kb/crm: web forms)": {
        "xnQsjsdp": "1", "First Name": "Ada", "Last Name": "Lovelace", "Email": ADA, "Description": "Hello",
    },
    "Zoho Forms (help.zoho.com: webhooks in Zoho Forms)": {
        "Name_First": "Ada", "Name_Last": "Lovelace", "Email": ADA, "MultiLine": "Hello",
    },
    "Marketo (experienceleague.adobe.com: forms 2.0)": {
        "FirstName": "Ada", "LastName": "Lovelace", "Email": ADA, "message": "Hello", "munchkinId": "1", "formid": "2",
    },
    "Klaviyo (developers.klaviyo.com: legacy signup forms)": {
        "$email": ADA, "$first_name": "Ada", "$last_name": "Lovelace", "$consent": "email", "message": "Hello",
    },
    "Brevo (help.brevo.com: embedded sign-up form)": {
        "EMAIL": ADA, "FIRSTNAME": "Ada", "LASTNAME": "Lovelace", "SMS": "7700900123", "SMS__COUNTRY_CODE": "+44",
        "email_address_check": "", "locale": "en", "MESSAGE": "Hello",
    },
    "ActiveCampaign (help.activecampaign.com: embed a form)": {
        "u": "1", "f": "1", "act": "sub", "fullname": "Ada Lovelace", "email": ADA, "field[message]": "Hello",
    },
    "MailerLite (developers.mailerlite.com: embedded forms)": {
        "fields[email]": ADA, "fields[name]": "Ada", "fields[last_name]": "Lovelace", "ml-submit": "1", "fields[message]": "Hello",
    },
    "Kit (help.kit.com: raw HTML form)": {
        "email_address": ADA, "fields[first_name]": "Ada", "fields[last_name]": "Lovelace", "fields[message]": "Hello",
    },
    "systeme.io (developer.systeme.io: webhooks)": {
        "contact": {"email": ADA, "fields": [{"slug": "first_name", "value": "Ada"}, {"slug": "surname", "value": "Lovelace"},
                                             {"slug": "message", "value": "Hello"}]},
    },
    "HighLevel (marketplace.gohighlevel.com: workflow webhook)": {
        "full_name": "Ada Lovelace", "email": ADA, "message": "Hello", "contact_id": "x",
        "location": {"name": "Acme", "address": "1 Road"},
    },
    "Pipedrive (support.pipedrive.com: web forms)": {
        "person.name": "Ada Lovelace", "person.email": ADA, "message": "Hello",
    },
    "Formstack's own form": {
        "field12345-first": "Ada", "field12345-last": "Lovelace", "field12346": ADA, "message": "Hello",
    },
    "Formstack's API (developers.formstack.com/reference/field-types)": {
        "field_12345[first]": "Ada", "field_12345[last]": "Lovelace", "field_12346": ADA, "message": "Hello",
    },
    "Formstack's webhook (developers.formstack.com/docs/webhook-examples)": {
        "FormID": "23534", "Name": {"first": "Ada", "last": "Lovelace"}, "Email": ADA, "Message": "Hello", "UniqueID": "1",
    },
    "Formstack's webhook, with types (developers.formstack.com/docs/webhook-examples)": {
        "FormID": "23534", "Name": {"first": "Ada", "last": "Lovelace", "field_type": "name"}, "UniqueID": "1",
        "Email": {"value": ADA, "field_type": "email"}, "Message": {"value": "Hello", "field_type": "textarea"},
    },
    "Formstack's older webhook, parts in one value (help.formstack.com: webhooks)": {
        "FormID": "23534", "Name": "first = Ada\nlast = Lovelace", "Email": ADA, "Message": "Hello",
        "Address": "address = 1 Road\ncity = London\nzip = N1",
    },
    "Wufoo's webhook, named by its structure (wufoo.com/docs/integrations/webhooks)": {
        "Field1": "Ada", "Field2": "Lovelace", "Field3": ADA, "Field4": "Hello", "CreatedBy": "public", "EntryId": "7",
        "DateCreated": "2026-01-31 10:00:00", "IP": "192.0.2.1", "HandshakeKey": "",
        "FieldStructure": '{"Fields":[{"Title":"Name","Instructions":"","IsRequired":"0","Type":"shortname","ID":"Field1",'
                          '"SubFields":[{"DefaultVal":"","ID":"Field1","Label":"First"},{"DefaultVal":"","ID":"Field2","Label":"Last"}]},'
                          '{"Title":"Email","Type":"email","ID":"Field3"},{"Title":"Message","Type":"textarea","ID":"Field4"}]}',
        "FormStructure": '{"Name":"Contact","Description":"' + "x" * 600 + '"}',
    },
    "Cognito Forms (cognitoforms.com/support: JSON webhooks)": {
        "Name": {"First": "Ada", "Last": "Lovelace", "FirstAndLast": "Ada Lovelace"}, "Email": ADA, "Message": "Hello",
    },
    "Fillout (fillout.com/docs/api-reference/get-submission-by-id)": {
        "submissionId": "abc", "submissionTime": "2024-05-16T23:20:05.324Z", "quiz": {"score": 5, "maxScore": 10},
        "calculations": [{"id": "calculation1", "name": "price", "type": "number", "value": "12.50"}],
        "questions": [{"id": "a", "name": "What is your name?", "type": "ShortAnswer", "value": "Ada Lovelace"},
                      {"id": "b", "name": "Email", "type": "EmailInput", "value": ADA},
                      {"id": "c", "name": "How can we help?", "type": "LongAnswer", "value": "Hello"}],
    },
    "involve.me (help.involve.me/en/articles/2193514-receive-submission-data-with-webhooks-anywhere)": {
        "event": {"type": "finished_participant", "version": 1, "created_at": "2026-01-31 10:00:00"}, "participant_id": "p1",
        "project_name": "Quiz", "personal_data": {"name": "Ada Lovelace", "email": ADA}, "country_code": "GB",
        "questions": [{"id": 1, "type": "long_text", "question_text": "Your message to us",
                       "answers_given": [{"response_text": "Hello"}]}],
    },
    "answers to questions": {
        "responses": [{"question": "What's your name?", "answer": "Ada Lovelace"}, {"question": "Your e-mail", "answer": ADA},
                      {"question": "Your message to us", "answer": "Hello"}],
    },
    "Netlify's outgoing webhook (docs.netlify.com/forms/notifications)": {
        "number": 1, "title": None, "email": ADA, "name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace",
        "company": None, "summary": "Hello", "body": "Hello", "form_name": "contact", "site_url": "https://example.com",
        "data": {"name": "Ada Lovelace", "email": ADA, "message": "Hello", "ip": "192.0.2.1", "user_agent": "Mozilla"},
        "human_fields": {"Name": "Ada Lovelace", "Email": ADA, "Message": "Hello"},
        "ordered_human_fields": [{"title": "Name", "name": "name", "value": "Ada Lovelace"},
                                 {"title": "Email", "name": "email", "value": ADA},
                                 {"title": "Message", "name": "message", "value": "Hello"}],
    },
    "Netlify's event (docs.netlify.com/functions: submission-created)": {
        "payload": {"form_name": "contact", "data": {"name": "Ada Lovelace", "email": ADA, "message": "Hello", "ip": "192.0.2.1"}},
    },
    "Formspree (help.formspree.io: field names)": {
        "name": "Ada Lovelace", "_replyto": ADA, "email": ADA, "message": "Hello", "_subject": "Hi",
    },
    "Elfsight (community.elfsight.com/t/148915: new webhook structure)": {
        "page_url": "https://example.com", "submitted_at": "2025-01-10T11:30:22.00Z", "widget_id": "ab8afdc6",
        "data": {"name": {"id": "12ce", "name": "Full Name", "value": "Ada Lovelace", "type": "shortText"},
                 "email": {"id": "lgwc", "name": "Email", "value": ADA, "type": "email"},
                 "message": {"id": "fghj", "name": "Message", "value": "Hello", "type": "longText"}},
    },
    "Paperform (paperform.co/help: webhooks)": {
        "form_id": "x", "submission_id": "s", "device": {"type": "desktop"}, "charge": None,
        "data": [{"title": "What's your name?", "type": "text", "key": "a1", "custom_key": None, "value": "Ada Lovelace"},
                 {"title": "Email address", "type": "email", "key": "b2", "value": ADA},
                 {"title": "Your message", "type": "text", "key": "c3", "value": "Hello"}],
    },
    "Tilda (help.tilda.cc: webhooks)": {
        "Name": "Ada Lovelace", "Email": ADA, "Textarea": "Hello", "tranid": "1:2", "formid": "form1", "COOKIES": "_ga=GA1.2; x=y",
    },
    "Framer (framer.com/help: forms webhook)": {"Name": "Ada Lovelace", "Email": ADA, "Message": "Hello"},
    "Drupal Webform (drupal.org/docs: webform)": {
        "submitted[your_name]": "Ada Lovelace", "submitted[email]": ADA, "submitted[message]": "Hello", "form_id": "webform_1",
    },
    "Joomla (docs.joomla.org: com_contact)": {
        "jform[contact_name]": "Ada Lovelace", "jform[contact_email]": ADA, "jform[contact_message]": "Hello", "option": "com_contact",
    },
    "TYPO3 powermail (docs.typo3.org/p/in2code/powermail)": {
        "tx_powermail_pi1[field][name]": "Ada Lovelace", "tx_powermail_pi1[field][email]": ADA,
        "tx_powermail_pi1[field][nachricht]": "Hello", "tx_powermail_pi1[mail][form]": "1",
    },
    "ASP.NET Web Forms (learn.microsoft.com: control naming)": {
        "__VIEWSTATE": "x", "ctl00$MainContent$txtName": "Ada Lovelace", "ctl00$MainContent$txtEmail": ADA,
        "ctl00$MainContent$txtMessage": "Hello",
    },
    "Rails (guides.rubyonrails.org/form_helpers)": {
        "utf8": "✓", "authenticity_token": "x", "contact[first_name]": "Ada", "contact[last_name]": "Lovelace", "contact[email]": ADA,
        "contact[message]": "Hello", "commit": "Send",
    },
}  # fmt: skip
# Beyond the eight languages, by their commonest words; and questions in them.
LANGUAGES: dict[str, Form] = {
    "sv": {"Förnamn": "Ada", "Efternamn": "Lovelace", "E-post": ADA, "Meddelande": "Hello"},
    "da": {"Fornavn": "Ada", "Efternavn": "Lovelace", "E-mail": ADA, "Besked": "Hello"},
    "no": {"Navn": "Ada Lovelace", "E-post": ADA, "Melding": "Hello"},
    "fi": {"Etunimi": "Ada", "Sukunimi": "Lovelace", "Sähköposti": ADA, "Viesti": "Hello"},
    "cs": {"Jméno": "Ada", "Příjmení": "Lovelace", "E-mail": ADA, "Zpráva": "Hello"},
    "ro": {"Prenume": "Ada", "Nume": "Lovelace", "Email": ADA, "Mesaj": "Hello"},
    "el": {"Όνομα": "Ada", "Επώνυμο": "Lovelace", "Email": ADA, "Μήνυμα": "Hello"},
    "ru": {"Имя": "Ada", "Фамилия": "Lovelace", "Почта": ADA, "Сообщение": "Hello"},
    "ja": {"氏名": "Ada Lovelace", "メールアドレス": ADA, "お問い合わせ内容": "Hello"},
    "en, asked": {"What is your name?": "Ada Lovelace", "What's your e-mail?": ADA, "How can we help you?": "Hello"},
    "de, asked": {"Wie heißt du?": "Ada Lovelace", "Deine beste E-Mail-Adresse": ADA, "Deine Nachricht an uns": "Hello"},
    "fr, asked": {"Comment vous appelez-vous ?": "Ada Lovelace", "Votre e-mail": ADA, "Votre message (facultatif)": "Hello"},
    "es, asked": {"¿Cómo te llamas?": "Ada Lovelace", "¿Cuál es tu correo?": ADA, "Tu mensaje": "Hello"},
    "it, asked": {"Come ti chiami?": "Ada Lovelace", "Qual è la tua email?": ADA, "Il tuo messaggio": "Hello"},
    "nl, asked": {"Hoe heet je?": "Ada Lovelace", "Wat is je e-mailadres?": ADA, "Uw bericht": "Hello"},
    "pt, asked": {"Qual é o seu nome?": "Ada Lovelace", "Seu e-mail": ADA, "Sua mensagem": "Hello"},
    "tr": {"Ad": "Ada", "Soyad": "Lovelace", "E-posta": ADA, "Mesaj\N{LATIN SMALL LETTER DOTLESS I}n\N{LATIN SMALL LETTER DOTLESS I}z": "Hello"},
    "tr, possessive": {"Ad\N{LATIN SMALL LETTER DOTLESS I}": "Ada", "Soyad\N{LATIN SMALL LETTER DOTLESS I}": "Lovelace", "E-posta": ADA, "Mesaj": "Hello"},
    "tr, whole": {"Ad\N{LATIN SMALL LETTER DOTLESS I} Soyad\N{LATIN SMALL LETTER DOTLESS I}": "Ada Lovelace", "E-posta": ADA, "Mesaj": "Hello"},
    "pl, asked": {"Jak się nazywasz?": "Ada Lovelace", "Twój e-mail": ADA, "Treść wiadomości": "Hello"},
}  # fmt: skip


def lead(form: Form) -> LeadCaptured:
    read = read_form(form, {}, name="f").data
    assert isinstance(read, LeadCaptured)
    return read


@pytest.mark.parametrize("form", [*BUILDERS.values(), *LANGUAGES.values()], ids=[*BUILDERS, *LANGUAGES])
def test_a_form_is_a_lead_with_a_name_and_a_message(form: Form) -> None:
    read = lead(form)
    assert (read.identity.email, read.name, read.message) == (ADA, "Ada Lovelace", "Hello")


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"Vezetéknév": "Szabó", "Keresztnév": "Anna"}, "Szabó Anna"), ({"姓": "山田", "名": "太郎"}, "山田 太郎"),
        ({"last_name": "김", "first_name": "민수"}, "김 민수"), ({"lastName": "Yamada", "firstName": "Tarō"}, "Tarō Yamada"),
        ({"company[name]": "Engines", "name": "Ada"}, "Ada"), ({"owner.name": "Bob", "full_name": "Ada"}, "Ada"),
    ],
)  # fmt: skip
def test_a_name_is_said_in_the_order_of_its_language_and_is_the_person_s(form: Form, name: str) -> None:
    assert lead({"email": ADA, **form}).name == name


def test_ad_is_an_advertisement_where_no_turkish_surname_stands_beside_it() -> None:
    read = lead({"email": ADA, "Ad": "Spring sale", "Last name": "Lovelace"})
    assert (read.name, read.traits) == ("Lovelace", {"Ad": "Spring sale"})


def test_an_answer_too_long_for_a_trait_is_the_message_and_a_builder_s_own_json_is_left_out() -> None:
    read = lead({"email": ADA, "tell_us_all": "word " * 200, "meta": "[" + "1," * 400 + "1]"})
    assert (read.message, read.traits) == (("word " * 200).strip(), {})


def test_a_visitor_s_text_with_equals_signs_stays_as_it_is() -> None:
    said = "x = 1\ny = 2"
    assert lead({"email": ADA, "message": said}).message == said
    assert lead({"email": ADA, "message": "first = Ada"}).message == "first = Ada"


def test_titles_that_two_fields_share_lose_none_of_them() -> None:
    structure = '{"Fields":[{"Title":"Email","ID":"Field1"},{"Title":"Email","ID":"Field2"}]}'
    read = lead({"Field1": ADA, "Field2": "bob@example.com", "FieldStructure": structure})
    assert (read.identity.email, read.traits) == (ADA, {"Field2": "bob@example.com"})


def test_a_number_beside_its_country_s_code_and_a_box_of_that_name() -> None:
    assert lead({"EMAIL": ADA, "SMS": "7700900123", "SMS__COUNTRY_CODE": "+44"}).identity.phone == "+447700900123"
    asked = lead({"EMAIL": ADA, "SMS consent": "yes", "sms": "yes"})
    assert asked.identity.phone is None
    assert asked.consent is not None
    assert asked.consent.sms is True


def test_a_field_that_is_json_is_opened_only_where_nothing_else_says_who_it_is() -> None:
    inner = f'{{"email": "{ADA}"}}'
    sent: Any = parse_form(f"payload={quote(inner)}".encode())
    assert lead(sent).identity.email == ADA
    kept = lead({"email": "bob@example.com", "payload": inner})
    assert (kept.identity.email, kept.traits["payload"]) == ("bob@example.com", inner)
    with pytest.raises(Refused):
        lead({"payload": "{" + ",".join(f'"f{n}": "x"' for n in range(MOST_FIELDS)) + f', "email": "{ADA}"}}'})
    with pytest.raises(Refused):
        lead({"payload": "[" * 2000, "other": "{not json"})
    many = '{"email": "ada@example.com", "a": [' + "{}," * 10 * MOST_FIELDS + "{}]}"
    with pytest.raises(Refused):
        lead({"payload": many})
