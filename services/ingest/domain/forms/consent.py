"""Boxes and answers that say who may be written to, in eight languages: by channel, and for newsletters by purpose."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

from services.ingest.domain.forms.names import words_in

Channel: TypeAlias = Literal["email", "phone", "sms"]

_NEWSLETTER: Final = frozenset(
    {
        "newsletter", "newsletters", "rundbrief", "infobrief", "infolettre", "boletin", "boletines", "bollettino",
        "boletim", "nieuwsbrief", "nieuwsbrieven", "biuletyn", "biuletynu", "mailinglist", "mailingliste",
    }
)  # fmt: skip
_MARKETING: Final = frozenset(
    {
        "marketing", "werbung", "werbemails", "werbeeinwilligung", "promotions", "promotional", "promo", "publicite",
        "publicitaires", "publicidad", "pubblicita", "publicidade", "reclame", "reklama", "reklamy", "marketingowe",
        "marketingowa", "marketingowych", "angebote", "offers", "offres", "ofertas", "offerte", "aanbiedingen",
        "oferty", "commercial", "commerciali", "commerciales", "comerciales",
    }
)  # fmt: skip
_AGREE: Final = frozenset(
    {
        "consent", "optin", "agree", "agreement", "acceptance", "subscribe", "subscription", "gdpr", "rgpd", "dsgvo",
        "avg", "rodo", "einwilligung", "einwilligen", "zustimmung", "zustimmen", "einverstanden", "einverstaendnis",
        "einverstandnis", "consentement", "accord", "accepte", "consens", "consentimiento", "acepto", "aceptacion",
        "consenso", "accetto", "acconsento", "accettazione", "toestemming", "akkoord", "consentimento", "aceito",
        "concordo", "aceitacao", "zgoda", "zgode", "zgody", "zgadzam", "akceptuje", "stimme", "permission",
        "erlaubnis", "autorizo", "autorisation", "autorizacion",
    }
)  # fmt: skip
_AGAINST: Final = frozenset(
    {
        "no", "not", "dont", "without", "never", "kein", "keine", "keinen", "nicht", "ohne", "pas", "aucun", "aucune",
        "sans", "sin", "senza", "geen", "niet", "zonder", "nao", "sem", "nie", "bez", "non", "nein", "optout",
        "unsubscribe", "unsubscribed", "abmelden", "abmeldung", "abbestellen", "austragen", "desinscription",
        "desinscrire", "desabonner", "desabonnement", "baja", "disiscrivi", "disiscrizione", "afmelden",
        "uitschrijven", "descadastrar", "wypisz", "rezygnuje", "refuse", "decline", "reject", "objection",
        "widerspruch", "widerspreche", "ablehnen", "stop", "remove", "revoke", "withdraw", "widerruf", "widerrufen",
    }
)  # fmt: skip
_NO_WORDS: Final = frozenset(
    {
        "no", "not", "dont", "without", "never", "kein", "keine", "keinen", "nicht", "ohne", "pas", "aucun", "aucune",
        "sans", "sin", "senza", "geen", "niet", "zonder", "nao", "sem", "nie", "bez", "non", "nein", "stop", "refuse",
        "decline", "reject", "objection", "remove",
    }
)  # fmt: skip
_OUT: Final = _AGAINST - _NO_WORDS
_CHANNELS: Final[Mapping[str, Channel]] = {
    **dict.fromkeys(
        ("email", "emails", "mail", "mails", "courriel", "courriels", "correo", "posta", "poczta", "mailing"), "email"
    ),
    **dict.fromkeys(("sms", "textmessage", "textmessages", "texto"), "sms"),
    **dict.fromkeys(
        (
            "phone", "telephone", "telefon", "telefonisch", "telefonnummer", "anruf", "anrufe", "call", "calls",
            "appel", "appels", "llamada", "llamadas", "telefono", "chiamata", "chiamate", "telefoon", "bellen",
            "telefone", "ligacao", "telefonicznie", "telefonu",
        ),
        "phone",
    ),
}  # fmt: skip
_CONTACT: Final = frozenset({"contact", "contacter", "contactar", "contattare", "kontaktieren", "contacteren"})

YES: Final = frozenset(
    {
        "1", "on", "yes", "true", "ja", "oui", "si", "sim", "tak", "y", "x", "✓", "✔", "checked", "selected",
        "ticked", "agree", "agreed", "accept", "accepted", "subscribe", "subscribed", "ok", "okay", "einverstanden",
        "zugestimmt", "akzeptiert", "daccord", "accepte", "acepto", "aceptado", "accetto", "accettato", "akkoord",
        "aceito", "concordo", "zgadzam", "zgoda", "zgode", "stimme", "given", "granted", "optin", "optedin", "gern",
        "gerne", "graag",
    }
)  # fmt: skip
NO: Final = frozenset(
    {
        "no", "nein", "non", "nee", "nao", "nie", "n", "never", "decline", "declined", "refused", "rejected",
        "denied", "unsubscribe", "unsubscribed", "optout", "optedout", "withdrawn", "abgelehnt", "refuse", "rechazo",
        "rifiuto",
    }
)  # fmt: skip
NOT_TICKED: Final = frozenset(
    {"", "0", "off", "false", "unchecked"}
)  # what programs send for a box that was left alone
_COURTESY: Final = frozenset(
    {
        "please", "thanks", "thank", "you", "bitte", "danke", "gern", "gerne", "merci", "bien", "sur", "s", "il",
        "vous", "te", "plait", "por", "favor", "gracias", "grazie", "per", "favore", "graag", "bedankt", "dank", "u",
        "je", "wel", "obrigado", "obrigada", "prosze", "dziekuje", "i", "ich", "zu", "bin", "j", "jestem", "d", "sie",
        "do", "wyrazam", "zgode", "stimme",
    }
)  # fmt: skip
_UNLESS: Final = frozenset(
    {"but", "only", "unless", "except", "aber", "nur", "mais", "seulement", "pero", "solo", "ma", "maar", "alleen",
     "mas", "somente", "ale", "tylko", "ausser", "sauf", "salvo", "tranne", "behalve", "exceto", "oprocz"}
)  # fmt: skip
# Accepting these allows nobody to write.
_TERMS: Final = frozenset(
    {
        "terms", "conditions", "tos", "privacy", "policy", "agb", "datenschutz", "datenschutzerklaerung",
        "datenschutzerklarung", "nutzungsbedingungen", "cgu", "cgv", "confidentialite", "condiciones", "terminos",
        "privacidad", "termini", "condizioni", "voorwaarden", "privacybeleid", "regulamin", "prywatnosci", "termos",
        "privacidade", "cookies", "cookie",
    }
)  # fmt: skip
_REACHED: Final = frozenset({*_CHANNELS, *_CONTACT})
_MATTERS: Final = frozenset({*_REACHED, *_AGREE, *_NEWSLETTER, *_MARKETING})
_SENTENCES: Final = re.compile(r"[.!?;\n]+")
_NEAR: Final = 6  # words
_FEW_WORDS: Final = 10
_NOTHING: Final[frozenset[str]] = frozenset()
_E_MAIL: Final[frozenset[Channel]] = frozenset({"email"})
_LONGEST: Final = 500


class Box(NamedTuple):
    """What a field asks. `channels` empty: e-mail. `against`: ticked, it is a no."""

    channels: frozenset[Channel]
    purposes: frozenset[str]
    against: bool


class Said(NamedTuple):
    """What came of it: by channel, and for e-mail by purpose. None and absent: nothing was said."""

    channels: Mapping[Channel, bool]
    purposes: Mapping[str, bool]


@lru_cache(maxsize=4096)
def box(sent: str) -> Box | None:
    """What a field of this name, or with these words beside it, asks; None when it asks for no consent."""
    sent = sent[:_LONGEST]
    words = words_in(sent)
    all_of = _with_pairs(words)
    purposes, against = _purposes(words), _against(sent)
    if not (purposes or all_of & (_AGREE | _OUT) or (against and all_of & _REACHED)):
        return None
    if not purposes and all_of & _TERMS:
        return None
    if purposes and not (all_of & (_NEWSLETTER | _AGREE | _AGAINST)) and len(words) > 2:  # noqa: PLR2004
        return None  # "Which of our offers …": what is sold is no question of consent
    if against and not purposes and not all_of & _REACHED:
        purposes = frozenset({"newsletter", "marketing"})  # who leaves a list still wants to be answered
    return Box(frozenset(_CHANNELS[word] for word in all_of & set(_CHANNELS)), purposes, against)


def worded(asked: Box, shown: str | None) -> Box:
    """The box with what the words beside it say, where its own name says nothing."""
    beside = None if shown is None or asked.purposes or asked.channels or asked.against else box(shown)
    if beside is None:
        return asked
    return Box(asked.channels, beside.purposes, beside.against and len(words_in(shown or "")) <= _FEW_WORDS)


def answer(text: str) -> tuple[bool | None, frozenset[str]]:
    """Yes or no, and for which purposes it says so itself; None for what is neither ("Yes, but only by phone")."""
    text = text[:_LONGEST]
    plain = text.strip().casefold()
    if plain in YES | NO | NOT_TICKED:
        return None if plain in NOT_TICKED else plain in YES, _NOTHING
    words = words_in(text)
    if not words or _UNLESS & set(words):
        return None, _NOTHING
    given = _given(text, words)
    return given, _purposes(words) if given is not None else _NOTHING


def _given(text: str, words: Sequence[str]) -> bool | None:
    """Whether a sentence agrees."""
    bare = [word for word in words if word not in _COURTESY]
    if _against(text) or (bare and all(word in NO for word in bare)):
        return None if words[0] in YES else False
    if not bare or all(word in YES for word in bare):
        return True if set(words) & YES else None
    if words[0] in _AGAINST:
        return None
    agrees = _purposes(words) or _with_pairs(words) & _AGREE or (bare[0] in YES and set(bare[1:]) & set(_CHANNELS))
    return True if agrees else None


def _against(text: str) -> bool:
    """Whether it says no to something that matters here: "no newsletter", "please unsubscribe", not "no spam".

    What one can do later ("you can unsubscribe at any time") is no refusal.
    """
    for place, sentence in enumerate(_SENTENCES.split(text)):
        words = words_in(sentence)
        pairs = ["".join(pair) for pair in pairwise(words)]
        if not place and _OUT & {*words[:2], *pairs[:2]}:
            return True
        for index, word in enumerate(words):
            if word in _NO_WORDS and _MATTERS & _with_pairs(words[index + 1 : index + _NEAR]):
                return True
    return False


def _with_pairs(words: Sequence[str]) -> set[str]:
    """The words, and each two as one: opt-in is optin."""
    return {*words, *("".join(pair) for pair in pairwise(words))}


def _purposes(words: Iterable[str]) -> frozenset[str]:
    found = set(words)
    return frozenset(name for name, known in (("newsletter", _NEWSLETTER), ("marketing", _MARKETING)) if found & known)


def together(asked: Iterable[tuple[Box, str]]) -> Said:
    """What all boxes of a form say together; of a yes and a no for the same the no counts.

    A newsletter's yes is one to e-mail, as a ticked box always was; its no is one to newsletters alone.
    """
    channels: dict[Channel, bool] = {}
    purposes: dict[str, bool] = {}
    for each, text in asked:
        given, named = answer(text)
        if given is None or (each.against and not given):
            continue  # "no newsletter: no" may mean either
        given = given and not each.against
        about = each.purposes | named
        if about and not each.channels - _E_MAIL:
            for purpose in about:
                purposes[purpose] = given and purposes.get(purpose, True)
            if not given:
                continue
        for channel in each.channels or _E_MAIL:
            channels[channel] = given and channels.get(channel, True)
    return Said(channels, purposes)
