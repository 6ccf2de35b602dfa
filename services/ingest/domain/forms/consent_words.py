"""Words of consent in eight languages, in lower case; two that belong together stand as one."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Channel: TypeAlias = Literal["email", "phone", "sms"]

NEWSLETTER: Final = frozenset(
    {
        "newsletter", "newsletters", "rundbrief", "infobrief", "infolettre", "boletin", "boletines", "bollettino",
        "boletim", "nieuwsbrief", "nieuwsbrieven", "biuletyn", "biuletynu", "biuletynow", "mailinglist", "mailingliste",
        "newslettera", "newsletteru", "newsletterow", "updates", "lettre", "lettres",
    }
)  # fmt: skip
MARKETING: Final = frozenset(
    {
        "marketing", "werbung", "werbemails", "werbeeinwilligung", "promotions", "promotional", "promo", "publicite",
        "publicitaires", "publicidad", "pubblicita", "publicidade", "reclame", "reklama", "reklamy", "marketingowe",
        "marketingowa", "marketingowych", "angebote", "offers", "offres", "ofertas", "offerte", "aanbiedingen",
        "oferty", "commercial", "commerciali", "commerciales", "comerciales", "prospection", "marketingu", "reklam",
        "handlowych", "handlowe", "comerciais", "commerciele", "reclames", "promocoes", "promociones", "promozioni",
    }
)  # fmt: skip
AGREE: Final = frozenset(
    {
        "consent", "optin", "mailoptin", "emailoptin", "agree", "agreement", "acceptance", "subscribe", "subscription",
        "gdpr", "rgpd", "dsgvo",
        "avg", "rodo", "einwilligung", "einwilligen", "zustimmung", "zustimmen", "einverstanden", "einverstaendnis",
        "einverstandnis", "consentement", "accord", "accepte", "consens", "consentimiento", "acepto", "aceptacion",
        "consenso", "accetto", "acconsento", "accettazione", "toestemming", "akkoord", "consentimento", "aceito",
        "concordo", "aceitacao", "zgoda", "zgode", "zgody", "zgadzam", "akceptuje", "stimme", "permission",
        "erlaubnis", "autorizo", "autorisation", "autorizacion", "autorizzo", "accepts", "accept", "willige",
        "zustimme", "optedin",
        "suscripcion", "suscribirme", "suscribirse", "iscrivermi", "abonnieren",
    }
)  # fmt: skip
AGAINST: Final = frozenset(
    {
        "no", "not", "dont", "without", "never", "kein", "keine", "keinen", "nicht", "ohne", "pas", "aucun", "aucune",
        "sans", "sin", "senza", "geen", "niet", "zonder", "nao", "sem", "nie", "bez", "non", "nein", "optout",
        "unsubscribe", "unsubscribed", "abmelden", "abmeldung", "abbestellen", "austragen", "desinscription",
        "desinscrire", "desabonner", "desabonnement", "baja", "disiscrivi", "disiscrizione", "afmelden",
        "uitschrijven", "descadastrar", "wypisz", "rezygnuje", "refuse", "decline", "reject", "objection",
        "widerspruch", "widerspreche", "ablehnen", "stop", "remove", "revoke", "withdraw", "widerruf", "widerrufen",
        "optedout", "doesnt", "wont", "niente", "nessun", "nessuna", "nessuno", "ningun", "ninguna", "nenhum",
        "nenhuma",
        "zadnych", "zaden", "rifiuto", "rechazo", "recuso", "odmawiam", "oppose", "opongo", "oppongo", "oponho",
        "weiger",
        "disagree",
    }
)  # fmt: skip
NO_WORDS: Final = frozenset(
    {
        "no", "not", "dont", "without", "never", "kein", "keine", "keinen", "nicht", "ohne", "pas", "aucun", "aucune",
        "sans", "sin", "senza", "geen", "niet", "zonder", "nao", "sem", "nie", "bez", "non", "nein", "stop", "refuse",
        "decline", "reject", "objection", "remove", "doesnt", "wont", "niente", "nessun", "nessuna", "nessuno",
        "ningun",
        "ninguna", "nenhum", "nenhuma", "zadnych", "zaden", "rifiuto", "rechazo", "recuso", "odmawiam", "oppose",
        "opongo", "oppongo", "oponho", "weiger",
    }
)  # fmt: skip
# These stand behind what they deny: ich stimme nicht zu, j'accepte pas.
BEHIND: Final = frozenset({"nicht", "niet", "pas"})
OUT: Final = AGAINST - NO_WORDS
CHANNELS: Final[Mapping[str, Channel]] = {
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
CONTACT: Final = frozenset(
    {
        "contact", "contacted", "contacter", "contactez", "contactar", "contacten", "contacte", "contattare",
        "contattatemi", "contattarmi", "kontaktieren", "kontaktiert", "kontakt", "contacteren", "contato", "contate",
        "contatar", "kontaktowac", "kontaktu",
    }
)  # fmt: skip

YES: Final = frozenset(
    {
        "1", "on", "yes", "true", "ja", "oui", "si", "sim", "tak", "y", "x", "✓", "✔", "checked", "selected",
        "ticked", "agree", "agreed", "accept", "accepted", "subscribe", "subscribed", "ok", "okay", "einverstanden",
        "zugestimmt", "akzeptiert", "daccord", "accepte", "acepto", "aceptado", "accetto", "accettato", "akkoord",
        "aceito", "concordo", "zgadzam", "zgoda", "zgode", "stimme", "given", "granted", "optin", "optedin", "gern",
        "gerne", "graag", "☑", "abonnieren", "sabonner", "abonner", "suscribirme", "suscribir", "iscrivimi",
        "iscriviti",
        "aanmelden", "inscrever", "zapisz", "akzeptiere", "willige",
    }
)  # fmt: skip
NO: Final = frozenset(
    {
        "no", "nein", "non", "nee", "nao", "nie", "n", "never", "decline", "declined", "refused", "rejected",
        "denied", "unsubscribe", "unsubscribed", "optout", "optedout", "withdrawn", "abgelehnt", "refuse", "rechazo",
        "rifiuto", "disagree", "nope", "nah", "stop", "niechce", "recuso", "odmawiam", "weiger",
        "abgemeldet", "desinscrit", "desabonne", "disiscritto", "afgemeld", "uitgeschreven", "wypisany",
    }
)  # fmt: skip
NOT_TICKED: Final = frozenset({"", "0", "off", "false", "unchecked"})  # what programs send for an unticked box
COURTESY: Final = frozenset(
    {
        "please", "thanks", "thank", "you", "bitte", "danke", "gern", "gerne", "merci", "bien", "sur", "s", "il",
        "vous", "te", "plait", "por", "favor", "gracias", "grazie", "per", "favore", "graag", "bedankt", "dank", "u",
        "je", "wel", "obrigado", "obrigada", "prosze", "dziekuje", "i", "ich", "zu", "bin", "j", "jestem", "d", "sie",
        "do", "wyrazam", "zgode", "stimme",
    }
)  # fmt: skip
UNLESS: Final = frozenset(
    {"but", "only", "unless", "except", "aber", "nur", "mais", "seulement", "pero", "solo", "ma", "maar", "alleen",
     "mas", "somente", "ale", "tylko", "ausser", "sauf", "salvo", "tranne", "behalve", "exceto", "oprocz"}
)  # fmt: skip
# Accepting these is no consent to mail.
TERMS: Final = frozenset(
    {
        "age", "parental", "guardian", "number", "pricing", "budget", "medical", "treatment", "photo", "photos",
        "terms", "conditions", "tos", "privacy", "policy", "agb", "datenschutz", "datenschutzerklaerung",
        "datenschutzerklarung", "nutzungsbedingungen", "cgu", "cgv", "confidentialite", "condiciones", "terminos",
        "privacidad", "termini", "condizioni", "voorwaarden", "privacybeleid", "regulamin", "prywatnosci", "termos",
        "privacidade", "cookies", "cookie",
    }
)  # fmt: skip
REACHED: Final = frozenset({*CHANNELS, *CONTACT})
# Whoever wants to receive something by e-mail, or news, agrees; not who wants a copy of what was just written.
WISH: Final = frozenset(
    {
        "receive", "erhalten", "bekommen", "recevoir", "recibir", "ricevere", "ontvangen", "receber", "otrzymywac",
        "keepme", "sendme", "letme", "informiertmich", "schickt", "tenezmoi", "mantenermeinformado",
    }
)  # fmt: skip
NEWS: Final = frozenset(
    {"news", "updated", "informed", "neuigkeiten", "actualites", "novedades", "novidades", "novita", "nieuws",
     "aktualnosci", "neues", "informiertmich"}
)  # fmt: skip
COPY: Final = frozenset({"copy", "kopie", "copie", "copia", "kopii", "kopia"})
