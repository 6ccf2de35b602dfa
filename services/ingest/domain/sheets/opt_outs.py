"""Columns that say that somebody wants no e-mail, or that none arrives there, as exports of mailing tools have them.

Several may stand in one file, each filled for other people: whoever is named by one of them has not agreed.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from services.ingest.domain.forms.consent import answer, box
from services.ingest.domain.forms.consent_words import Channel
from services.ingest.domain.forms.names import words_in
from services.ingest.domain.sheets import cells

OPTED_OUT: Final = "opted_out"  # yes, or when, or why
STATUS: Final = "subscription"  # a word of several; kept as a trait too, because most of them say something else

# By channel, of columns that ask as the boxes of forms do: "Accepts marketing: no", "Do not call: yes".
AGREED: Final[Mapping[str, Channel]] = {"agreed_email": "email", "agreed_phone": "phone", "agreed_sms": "sms"}
REFUSED: Final[Mapping[str, Channel]] = {"refused_email": "email", "refused_phone": "phone", "refused_sms": "sms"}
SEVERAL: Final = (OPTED_OUT, STATUS, *AGREED, *REFUSED)  # what any number of columns may be
KEPT: Final = frozenset(SEVERAL) - {OPTED_OUT}  # as traits too

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
        "emailverificationstatus", "verificationstatus", "emailvalidationstatus", "emailvalidity", "lawfulbasis",
    ),
}  # fmt: skip
# What may stand around these words in a column's name: "Has hard bounced", "Blocklisted Email", "Marked email as spam".
_AROUND: Final = (
    r"(?:is|has|was|been|the|all|any|from|of|to|for|by|as|marketing|bulk|promotional|global|globally|gdpr|rgpd|dsgvo|e?mails?"
    r"|contact|customer|member|status"
    r"|person|subscriber|address|newsletters?|communications?|messages?|at|on|date|time|timestamp|reason|since|utc"
    r"|groups?|channel|ids|lists?|types?|topics)*"
)
_SAYS_OUT: Final = re.compile(
    _AROUND
    + r"(?:unsubscribed?|unsub|opte?d?out|hardbounced?|bounced|block?listed|blacklist(?:ed)?|suppress(?:ed|ions?)"
    r"|complained|spamcomplaints?|marked(?:e?mails?)?asspam|reported(?:e?mails?)?asspam|donotdisturb|deaktiviert|deactivated"
    r"|e?mails?disabled|disablede?mails?|(?:marketing|e?mail|communication)suspended|dnc|donot(?:market|solicit)"
    r"|abmeldung|abgemeldet(?:am)?|austragung|ausgetragen(?:am)?|werbewiderspruch|(?:datede)?des(?:inscription|abonnement)"
    r"|bounceback|invalide?mails?|e?mails?invalid|excludedfromcampaigns|spamreport(?:ed)?|suppressionlist|removal|npai"
    r"|(?:werbe|mailing|mail|newsletter|kontakt)sperre|sperrliste|robinsonliste?|optedoutofemail\w*"
    r"|desinscrit(?:e?le)?|desabonnee?(?:le)?|(?:fechade)?baja|(?:datadi)?(?:disiscrizione|cancellazione)"
    r"|afgemeldop|uitgeschrevenop|(?:data)?descadastro|(?:data)?wypisan(?:ia|y)|rezygnacja)" + _AROUND
)
_SAYS_IN: Final = re.compile(
    _AROUND
    + r"(?:subscribed|optedin|opt?in|canbee?mailed|cane?mail|mailable|emailable|permission|allowed|wanted)"
    + _AROUND
)
# What stands in the name of a count or of something else about mails: Marketing emails opened.
_COUNTED: Final = frozenset(
    """
    opened open opens clicked clicks click delivered sent sends received count number rate total last first source owner
    name campaign replied replies id ids link url score frequency interest interests type category template budget
    contact contacts team list date day
    """.split()  # noqa: SIM905 - a list of quoted texts reads worse
)
_BOUNCE: Final = re.compile(r"55\d.*|5\.\d{1,3}\.\d{1,3}.*")  # replies of mail servers, for good
# A column of states in one of the eight languages, whatever stands around its word. Possessive: it never looks twice.
_OF_WHAT: Final = (
    r"(?:dell[ao]|del|de|d[ao]|des|der|d|van|la|le|l|el|il|kontakt|conta(?:ct|cto|tto|to)|abonne(?:ment)?|newsletter"
    r"|suscrip(?:cion|tor)|iscri(?:zione|tto)|inschrijving|inscricao|subskrypcji|mailing|e?mail|liste|lista|list)*+"
)
_SAYS_HOW: Final = re.compile(_OF_WHAT + r"(?:status|statut|estado|stato|situacao|situacion|zustand|stan)" + _OF_WHAT)
_LONGEST: Final = 100  # characters of a column's name, or of a word
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
        "hardbouncing", "mailboxunavailable", "nolongersubscribed", "nonsubscribed", "notsubscribed",
        "nonmarketingcontact",
        "removed", "deleted", "denied", "optedoutofall", "invalidemail", "inactiveunsubscribed",
    }
)  # fmt: skip


class OptOuts:
    """The columns of one sheet that say so."""

    def __init__(self, taken: Sequence[str]) -> None:
        """`taken`: what each column is taken as."""
        self._flags = [index for index, name in enumerate(taken) if name == OPTED_OUT]
        self._states = [index for index, name in enumerate(taken) if name == STATUS]
        asked = [(index, AGREED[name], True) for index, name in enumerate(taken) if name in AGREED]
        self._asked = asked + [(index, REFUSED[name], False) for index, name in enumerate(taken) if name in REFUSED]
        self.any = bool(self._flags or self._states or self._asked)

    def _column(self, row: Sequence[Any]) -> int | None:
        """The first column that is not asked of all, by which this person wants no e-mail; None when none says so."""
        for index in self._flags:
            if (cell := row[index]) != "" and _plain(cell) not in _NOT_SO:
                return index
        for index in self._states:
            if (cell := row[index]) != "" and is_out(cell):
                return index
        return None

    def said(self, row: Sequence[Any]) -> dict[Channel, tuple[bool, int]]:
        """What the columns say by channel, and which one; a no goes before a yes."""
        said: dict[Channel, tuple[bool, int]] = {}
        for index, channel, agreed in self._asked:
            told = None if (cell := row[index]) == "" else yes_or_no(cell)
            if told is None or not (agreed or told):
                continue
            given = told is agreed
            if channel not in said or (said[channel][0] and not given):
                said[channel] = given, index
        out = self._column(row)
        if out is not None:
            said["email"] = False, out
        return said

    def named(self, row: Sequence[Any]) -> list[int]:
        """The columns that may say since when."""
        return [index for index in self._flags if _plain(row[index]) not in _NOT_SO]


def asked_for(name: str) -> str | None:
    """What a column of this name asks, as the box of a form would; None when it asks for no consent."""
    if not _COUNTED.isdisjoint(words_in(name)):
        return None
    plain = "".join(words_in(name))
    found = box(name)
    if found is None:
        return "agreed_email" if len(plain) <= _LONGEST and _SAYS_IN.fullmatch(plain) else None
    channel = "email" if "email" in found.channels or not found.channels else min(found.channels)
    return f"refused_{channel}" if found.against else f"agreed_{channel}"


def yes_or_no(cell: object) -> bool | None:
    """What a cell of such a column says; None when it is no answer."""
    text = str(cell).strip().casefold()
    if text in cells.YES or text in cells.NO:
        return text in cells.YES
    return False if is_out(cell) else answer(text)[0]


def column_named(name: str) -> str | None:
    """What a column of this name, in letters and digits alone, is; None when it says nothing of who is out."""
    if len(name) > _LONGEST:
        return None
    if _SAYS_OUT.fullmatch(name):
        return OPTED_OUT
    return STATUS if _SAYS_HOW.fullmatch(name) else None


def is_out(cell: object) -> bool:
    """Whether this word of a status means that nothing is to be sent."""
    plain = _plain(cell)
    return plain in _OUT or (plain[:1] == "5" and _BOUNCE.fullmatch(plain) is not None)


def _plain(cell: object) -> str:
    """`Opted-out ` is `optedout`; a point stays, or 0.0 would be a number like any other."""
    text = str(cell)
    return _plain_word(text) if len(text) <= _LONGEST else _letters(text)


@lru_cache(maxsize=1024)
def _plain_word(text: str) -> str:
    """Remembered: in such a column most cells are one of a few words."""
    return _letters(text)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum() or letter == ".")
