"""What the labels of consent boxes say in eight languages: a yes, a no, or neither. A yes never comes of a no."""

import pytest

from services.ingest.domain.forms.read import read_form
from shared.events.types import LeadCaptured

YES = {
    "Ich möchte den Newsletter erhalten": "on", "Ich willige ein, E-Mails zu erhalten": "1",
    "Je souhaite recevoir la newsletter": "oui", "J'accepte de recevoir des offres par e-mail": "1",
    "Acepto recibir comunicaciones comerciales": "on", "Desidero iscrivermi alla newsletter": "sì",
    "Ja, ik wil de nieuwsbrief ontvangen": "on", "Aceito receber e-mails": "sim", "Quero receber novidades": "on",
    "Wyrażam zgodę na otrzymywanie informacji handlowych": "1", "Keep me updated": "on", "Send me news and offers": "on",
    "contact[accepts_marketing]": "1", "opt_in[]": "Email", "consent": "opted-in", "Newsletter?": "Abonnieren",
    "mailing_list": "1", "updates": "on", "receive_emails": "on", "suscripcion": "1", "mailoptin": "y",
    "newsletter": "✔️", "marketing": "Yes! Send it", "gdpr-consent": "☑", "$consent": "email, sms",
    "Newsletter erwünscht?": "ja", "receive_newsletter": "yes",
}  # fmt: skip
NO = {
    "Ich widerspreche der Werbung": "on", "Newsletter abbestellen": "ja", "Ich möchte keine Werbung erhalten": "on",
    "Einwilligung": "Ich stimme nicht zu", "Ich will nicht kontaktiert werden": "1", "Keine E-Mails bitte": "on",
    "Je ne souhaite pas recevoir la newsletter": "on", "Je m'oppose à la prospection": "1", "Ne me contactez pas": "on",
    "consentement": "je n'accepte pas", "No deseo recibir publicidad": "on", "consentimiento": "no autorizo",
    "Niente newsletter": "on", "Rifiuto comunicazioni commerciali": "1", "consenso": "non autorizzo",
    "Ik wens geen reclame te ontvangen": "ja", "toestemming": "niet akkoord", "Não desejo receber e-mails": "on",
    "consentimento": "não aceito", "Nie chcę otrzymywać newslettera": "tak", "newsletter": "nie chcę",
    "I don\u2019t want the newsletter": "on", "I don't want the news letter": "on", "Please don't email me": "on",
    "Opt me out": "yes", "hs_email_optout": "true", "HasOptedOutOfEmail": "1", "consent": "I disagree",
    "marketing": "don't subscribe", "gdpr_newsletter": "No, don't sign me up", "Newsletter": "abgemeldet",
    "stop_emails": "true", "never_email": "1",
}  # fmt: skip
NEITHER = {
    "Do you have a newsletter?": "yes", "Do you agree with our pricing?": "yes", "Haben Sie einen Newsletter?": "ja",
    "Avez-vous une newsletter ?": "non", "¿Tienes un boletín?": "no", "Avete una newsletter?": "sì",
    "Heeft u een nieuwsbrief?": "nee", "Vocês têm newsletter?": "não", "Czy macie newsletter?": "nie",
    "agreement_number": "7", "age_consent": "yes", "parental consent": "yes", "Marketing budget?": "yes",
    "Send me a copy by e-mail": "on", "no_of_employees": "20", "contact_no": "12", "email_frequency": "weekly",
    "accept_terms": "1", "photo consent": "yes", "Are you interested in marketing?": "yes",
}  # fmt: skip
_CASES = [
    (said, name, text) for said, boxes in (("yes", YES), ("no", NO), ("", NEITHER)) for name, text in boxes.items()
]


@pytest.mark.parametrize(("said", "name", "text"), _CASES)
def test_a_label_says_what_it_says(said: str, name: str, text: str) -> None:
    read = read_form({"email": "ada@example.com", name: text}, {}, name="f").data
    assert isinstance(read, LeadCaptured)
    consent = read.consent
    given = consent is not None and consent.email is True
    denied = consent is not None and (consent.email is False or False in consent.purposes.values())
    assert ("yes" if given else "no" if denied else "") == said


@pytest.mark.parametrize("label", NO)
def test_what_denies_never_grants_whatever_is_said_beside_it(label: str) -> None:
    if NO[label] in ("on", "1", "yes", "true", "ja", "oui", "tak"):  # a box of a label that is a no by itself
        for ticked in ("on", "1", "yes", "true", "x", "✓", "ja", "agree", label):
            read = read_form({"email": "ada@example.com", label: ticked}, {}, name="f").data
            assert isinstance(read, LeadCaptured)
            assert read.consent is None or (
                read.consent.email is not True and True not in read.consent.purposes.values()
            )
