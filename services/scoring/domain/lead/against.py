"""What speaks against a lead although no trait says so: whose address it is, and whether it wants our mails. Pure."""

from collections.abc import Iterator
from typing import Final

from services.scoring.domain.contact.consent import consent_of
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.model.scorecard import AGAINST_NOTHING, Against

_EMAIL: Final = "email"
# Where anybody has an address for nothing. Families have one at many endings: gmx.de, gmx.net, yahoo.co.uk.
_FAMILIES: Final = frozenset(
    {
        "gmx",
        "yahoo",
        "ymail",
        "hotmail",
        "outlook",
        "live",
        "msn",
        "aol",
        "yandex",
        "protonmail",
        "zohomail",
        "rediffmail",
    }
)
_FREE: Final = frozenset({
    *("gmail.com", "googlemail.com", "icloud.com", "me.com", "mac.com", "proton.me", "pm.me", "mail.com", "email.com"),
    *("fastmail.com", "hey.com", "tutanota.com", "tuta.io", "inbox.com", "hushmail.com", "rocketmail.com", "duck.com"),
    *("web.de", "freenet.de", "t-online.de", "posteo.de", "mailbox.org", "arcor.de", "bluewin.ch", "chello.at"),
    *("orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "neuf.fr", "libero.it", "virgilio.it"),
    *("tiscali.it", "alice.it", "terra.es", "telefonica.net", "sapo.pt", "uol.com.br", "bol.com.br"),
    *("terra.com.br", "ig.com.br"),
    *("wp.pl", "onet.pl", "o2.pl", "op.pl", "interia.pl", "gazeta.pl", "seznam.cz", "centrum.cz", "freemail.hu"),
    *("abv.bg", "ukr.net", "mail.ru", "bk.ru", "list.ru", "inbox.ru", "ya.ru", "rambler.ru", "telenet.be", "skynet.be"),
    *("ziggo.nl", "kpnmail.nl", "planet.nl", "btinternet.com", "sky.com", "virginmedia.com", "talktalk.net"),
    *("comcast.net", "verizon.net", "att.net", "sbcglobal.net", "cox.net", "charter.net", "earthlink.net", "shaw.ca"),
    *("qq.com", "163.com", "126.com", "sina.com", "foxmail.com", "naver.com", "hanmail.net", "daum.net"),
    *("docomo.ne.jp",),
})  # fmt: skip


def against(state: ContactState, by: Against) -> Iterator[tuple[str, float]]:
    """Each thing that speaks against the lead, in words, with its log-odds."""
    if by == AGAINST_NOTHING:
        return
    domain = str(state.get("email") or "").rpartition("@")[2]
    if by.free_mail and is_free_mail(domain):
        yield "its address is one that anybody can have for nothing", by.free_mail
    if by.competitor and by.competitors and _is_at(domain, by.competitors):
        yield "its address is a competitor's", by.competitor
    if not (by.unsubscribed or by.no_mail):
        return
    consents = consent_of(state.known)
    if by.no_mail and consents.get(_EMAIL) is False:
        yield "it wants no mail, or its address takes none", by.no_mail
    elif by.unsubscribed and any(not given and name.startswith(f"{_EMAIL}:") for name, given in consents.items()):
        yield "it has unsubscribed from some of our mails", by.unsubscribed


def is_free_mail(domain: str) -> bool:
    """Whether anybody can have an address there for nothing."""
    return domain in _FREE or domain.partition(".")[0] in _FAMILIES


def _is_at(domain: str, domains: frozenset[str]) -> bool:
    """Whether it is one of these domains, or below one."""
    labels = domain.split(".")
    return any(".".join(labels[place:]) in domains for place in range(len(labels)))
