"""What the pages behind the links in mails say, in the languages of the forms."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class Words(NamedTuple):
    """`ask_…` stands on the page with the button, `…_done` on the one after it."""

    confirm_ask: str
    confirm: str
    confirm_done: str
    withdraw_ask: str
    withdraw: str
    withdraw_all: str
    withdraw_done: str
    over: str


_ENGLISH: Final = Words(
    "Is this your e-mail address?",
    "Yes, it is mine",
    "Thank you: your address is confirmed.",
    "Do you want no more of these e-mails?",
    "Unsubscribe",
    "Unsubscribe from all e-mails",
    "Done: we will not write to you about this any more.",
    "This link does not work any more.",
)
_WORDS: Final[Mapping[str, Words]] = {
    "en": _ENGLISH,
    "de": Words(
        "Ist das Ihre E-Mail-Adresse?",
        "Ja, das ist meine",
        "Vielen Dank: Ihre Adresse ist bestätigt.",
        "Möchten Sie keine solchen E-Mails mehr?",
        "Abmelden",
        "Von allen E-Mails abmelden",
        "Erledigt: Dazu schreiben wir Ihnen nicht mehr.",
        "Dieser Link gilt nicht mehr.",
    ),
    "fr": Words(
        "Cette adresse e-mail est-elle la vôtre ?",
        "Oui, c'est la mienne",
        "Merci : votre adresse est confirmée.",
        "Ne plus recevoir ces e-mails ?",
        "Se désabonner",
        "Se désabonner de tous les e-mails",
        "C'est fait : nous ne vous écrirons plus à ce sujet.",
        "Ce lien n'est plus valable.",
    ),
    "es": Words(
        "¿Es esta su dirección de correo?",
        "Sí, es la mía",
        "Gracias: su dirección está confirmada.",
        "¿No quiere recibir más correos como este?",
        "Darse de baja",
        "Darse de baja de todos los correos",
        "Hecho: no volveremos a escribirle sobre esto.",
        "Este enlace ya no es válido.",
    ),
    "it": Words(
        "Questo indirizzo e-mail è suo?",
        "Sì, è il mio",
        "Grazie: il suo indirizzo è confermato.",
        "Non vuole più ricevere queste e-mail?",
        "Annulla l'iscrizione",
        "Annulla l'iscrizione a tutte le e-mail",
        "Fatto: non le scriveremo più a questo riguardo.",
        "Questo link non è più valido.",
    ),
    "nl": Words(
        "Is dit uw e-mailadres?",
        "Ja, dit is van mij",
        "Dank u: uw adres is bevestigd.",
        "Wilt u zulke e-mails niet meer ontvangen?",
        "Afmelden",
        "Afmelden voor alle e-mails",
        "Klaar: hierover schrijven we u niet meer.",
        "Deze link werkt niet meer.",
    ),
    "pt": Words(
        "Este endereço de e-mail é seu?",
        "Sim, é meu",
        "Obrigado: o seu endereço está confirmado.",
        "Não quer receber mais e-mails como este?",
        "Cancelar a subscrição",
        "Cancelar todos os e-mails",
        "Feito: não voltaremos a escrever-lhe sobre isto.",
        "Esta ligação já não é válida.",
    ),
    "pl": Words(
        "Czy to Państwa adres e-mail?",
        "Tak, to mój adres",
        "Dziękujemy: adres jest potwierdzony.",
        "Czy nie chcą Państwo więcej takich wiadomości?",
        "Wypisz mnie",
        "Wypisz mnie ze wszystkich wiadomości",
        "Gotowe: nie będziemy więcej o tym pisać.",
        "Ten link już nie działa.",
    ),
}
_MOST_ASKED: Final = 200  # characters of the header that are looked at


def words_for(accepted: str) -> tuple[str, Words]:
    """The first language of an Accept-Language header that we speak, and its words; else English."""
    for each in accepted[:_MOST_ASKED].split(","):
        language = re.split(r"[-;]", each.strip().lower(), maxsplit=1)[0]
        if language in _WORDS:
            return language, _WORDS[language]
    return "en", _ENGLISH
