"""Columns that say that somebody wants no e-mail, or that none arrives there, as exports of mailing tools have them.

Several may stand in one file, each filled for other people: whoever is named by one of them has not agreed.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

OPTED_OUT: Final = "opted_out"  # yes, or when, or why
STATUS: Final = "subscription"  # a word of several; kept as a trait too, because most of them say something else

# The words of the exporters: HubSpot, Salesforce, Pipedrive, Zoho, Mailchimp, Klaviyo, Brevo, ActiveCampaign and
# others. Letters and digits only.
NAMES: Final = {
    OPTED_OUT: (
        "optedout", "emailoptout", "optoutemail", "optout", "emailoptedout", "hasoptedoutofemail", "optoutofemail",
        "unsubscribed", "isunsubscribed", "emailunsubscribed", "unsubscribedfromallemail", "unsubscribedfromemail",
        "unsubscribedemail", "unsubscribefromallemail", "donotemail", "donotcontact", "donotmail", "nomail",
        "noemail",
        "donotbulkemail", "donotallowemails", "donotallowbulkemails", "nonewsletter", "emailblacklisted",
        "blacklisted",
        "suppressed", "issuppressed", "suppressionreason", "bounced", "emailbounced", "isemailbounced", "hardbounced",
        "emailhardbounced", "emailhardbouncereason", "bouncereason", "emailbouncedreason", "cleaned", "complained",
        "invalidemailaddress", "emailaddressquarantined", "markedasspam", "spamcomplaint", "unsubtime", "unsubreason",
        "unsubscribetime", "unsubscribedtime", "unsubscribedat", "unsubscribedon", "unsubscribedate",
        "unsubscribeddate", "unsubscribereason", "dateunsubscribed", "optouttime", "optoutdate", "optedoutat",
        "emailoptouttime",
        "cleantime", "cleanedat", "bouncedat", "bounceddate", "bouncedate", "emailbounceddate", "hardbouncedat",
        "abgemeldet", "abgemeldetam", "abmeldedatum", "widerspruch", "keinewerbung", "keinnewsletter", "keineemail",
        "keineemails", "desinscrit", "desabonne", "nepascontacter", "baja", "nocontactar", "disiscritto",
        "noncontattare", "afgemeld", "uitgeschreven", "nietmailen", "descadastrado", "naocontatar", "wypisany",
    ),
    STATUS: (
        "subscriptionstatus", "emailstatus", "emailmarketingstatus", "emailsubscriptionstatus", "subscriberstatus",
        "memberstatus", "contactstatus", "mailingstatus", "newsletterstatus", "emailmarketing", "liststatus",
        "consentstatus", "emailconsentstatus", "optinstatus", "optoutstatus", "status", "anmeldestatus", "state",
        "emailsubscriberstatus", "permissionstatus", "emailpermissionstatus", "deliverability", "emaildeliverability",
    ),
}  # fmt: skip
# What may stand around these words in a column's name: "Has hard bounced", "Blocklisted Email", "Marked email as spam".
_AROUND: Final = (
    r"(?:is|has|was|been|the|all|any|from|of|to|for|by|as|marketing|bulk|promotional|global|globally|gdpr|rgpd|dsgvo|e?mails?"
    r"|contact|customer|member|status"
    r"|person|subscriber|address|newsletters?|communications?|messages?|at|on|date|time|timestamp|reason|since|utc)*"
)
_SAYS_OUT: Final = re.compile(
    _AROUND
    + r"(?:unsubscribed?|unsub|opte?d?out|hardbounced?|bounced|block?listed|blacklist(?:ed)?|suppress(?:ed|ions?)"
    r"|complained|spamcomplaints?|marked(?:e?mails?)?asspam|reported(?:e?mails?)?asspam|donotdisturb|deaktiviert|deactivated"
    r"|e?mails?disabled|disablede?mails?|(?:marketing|e?mail|communication)suspended|dnc|donot(?:market|solicit)"
    r"|abmeldung|abgemeldet(?:am)?|austragung|ausgetragen(?:am)?|werbewiderspruch|(?:datede)?des(?:inscription|abonnement)"
    r"|desinscrit(?:e?le)?|desabonnee?(?:le)?|(?:fechade)?baja|(?:datadi)?(?:disiscrizione|cancellazione)"
    r"|afgemeldop|uitgeschrevenop|(?:data)?descadastro|(?:data)?wypisan(?:ia|y)|rezygnacja)" + _AROUND
)
# A column of states in one of the eight languages, whatever stands around its word. Possessive: it never looks twice.
_OF_WHAT: Final = (
    r"(?:dell[ao]|del|de|d[ao]|des|der|d|van|la|le|l|el|il|kontakt|conta(?:ct|cto|tto|to)|abonne(?:ment)?|newsletter"
    r"|suscrip(?:cion|tor)|iscri(?:zione|tto)|inschrijving|inscricao|subskrypcji|mailing|e?mail|liste|lista|list)*+"
)
_SAYS_HOW: Final = re.compile(_OF_WHAT + r"(?:status|statut|estado|stato|situacao|situacion|zustand|stan)" + _OF_WHAT)
_LONGEST: Final = 100  # characters of a column's name
_NOT_SO: Final = frozenset(
    {
        "", "0", "0.0", "no", "n", "f", "false", "off", "none", "null", "never", "na", "nein", "non", "nee", "nao",
        "não", "nie", "subscribed", "active", "aktiv", "optedin", "optin", "allow", "allowed", "erlaubt", "00000000",
    }
)  # fmt: skip
_OUT: Final = frozenset(
    {
        "unsubscribed", "unsubscribe", "unsub", "optedout", "optout", "cleaned", "bounced", "hardbounced",
        "hardbounce",
        "bounce", "complained", "complaint", "spam", "spamcomplaint", "markedasspam", "abuse", "suppressed",
        "reportedasspam", "spamreported", "junk", "donotcontact", "donotemail", "donotallow", "dnc",
        "nonmarketing", "blocked", "blacklisted", "blocklisted", "neversubscribed",
        "invalid", "undeliverable", "archivedunsubscribed", "abgemeldet", "gesperrt", "widersprochen", "desinscrit",
        "desabonne", "désinscrit", "désabonné", "baja", "disiscritto", "afgemeld", "uitgeschreven", "descadastrado",
        "wypisany",
        # Eight languages, both genders; what is dead, and what said no
        "unzustellbar", "ausgetragen", "abbestellt", "nichtkontaktieren", "gebounced", "desinscrite", "désinscrite",
        "desabonnee", "désabonnée", "bloque", "bloqué", "rejete", "rejeté", "nonabonne", "dadodebaja", "dadadebaja",
        "cancelado", "cancelada", "rebotado", "rebotada", "nosuscrito", "nocontactar", "disiscritta", "cancellato",
        "cancellata", "respinto", "noncontattare", "afgemelde", "geblokkeerd", "nietcontacteren", "descadastrada",
        "naocontatar", "nãocontatar", "wypisana", "zrezygnował", "zablokowany", "odbity",
        "globallyunsubscribed", "softunsubscribed", "revoked", "withdrawn", "optedoutofemail", "permanentbounce",
        "hardbouncing", "mailboxunavailable", "nolongersubscribed",
    }
)  # fmt: skip


class OptOuts:
    """The columns of one sheet that say so."""

    def __init__(self, taken: Sequence[str]) -> None:
        """`taken`: what each column is taken as."""
        self._flags = [index for index, name in enumerate(taken) if name == OPTED_OUT]
        self._states = [index for index, name in enumerate(taken) if name == STATUS]
        self.any = bool(self._flags or self._states)

    def column(self, row: Sequence[Any]) -> int | None:
        """The first column by which this person is out; None when no column says so."""
        for index in self._flags:
            if (cell := row[index]) != "" and _plain(cell) not in _NOT_SO:
                return index
        for index in self._states:
            if (cell := row[index]) != "" and is_out(cell):
                return index
        return None

    def named(self, row: Sequence[Any]) -> list[int]:
        """The columns that may say since when."""
        return [index for index in self._flags if _plain(row[index]) not in _NOT_SO]


def column_named(name: str) -> str | None:
    """What a column of this name, in letters and digits alone, is; None when it says nothing of who is out."""
    if len(name) > _LONGEST:
        return None
    if _SAYS_OUT.fullmatch(name):
        return OPTED_OUT
    return STATUS if _SAYS_HOW.fullmatch(name) else None


def is_out(cell: object) -> bool:
    """Whether this word of a status means that nothing is to be sent."""
    return _plain(cell) in _OUT


def _plain(cell: object) -> str:
    """`Opted-out ` is `optedout`; a point stays, or 0.0 would be a number like any other."""
    return "".join(letter for letter in str(cell).casefold() if letter.isalnum() or letter == ".")
