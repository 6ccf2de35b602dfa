"""The pages behind the links in mails. Only a POST has an effect: mail scanners open every link, but press no button.

They reveal nothing about anybody, use no cookie or form field, and read no body: the request is in the path, which only
we can make (domain/mail/links.py). A mail program's one click (RFC 8058) is such a POST.
"""

from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from fastapi.responses import HTMLResponse

from services.nurture.api.mail_words import words_for
from services.nurture.api.routes import Parts
from services.nurture.domain.mail.links import Kind, Link, expired, read_token
from services.nurture.runs import answers
from services.nurture.store import confirmations as store
from shared import clock

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
_STYLE: Final = (
    "body{font:18px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem;color-scheme:light dark}"
    "form{margin:1rem 0}button{font:inherit;padding:.6rem 1.2rem}"
)
_Language = Annotated[str, Header(alias="Accept-Language")]
_GONE: Final = 410
_ALL: Final = ("1", "true")


def mail_links(parts: Parts, key: bytes) -> APIRouter:
    """`/c/…` confirms an address, `/u/…` unsubscribes; each shows a page with a button that does it."""
    router = APIRouter(tags=["mail"], default_response_class=HTMLResponse)
    _confirming(router, parts, key)
    _withdrawing(router, parts, key)
    return router


def _confirming(router: APIRouter, parts: Parts, key: bytes) -> None:
    @router.get("/c/{token}")
    async def ask_to_confirm(token: str, accepted: _Language = "") -> HTMLResponse:
        """The page that asks whether the address is theirs; nothing changes."""
        language, words = words_for(accepted)
        if _read(token, "confirm", key) is None:
            return _page(language, words.over, status=_GONE)
        return _page(language, words.confirm_ask, _button(words.confirm))

    @router.post("/c/{token}")
    async def confirm(token: str, accepted: _Language = "") -> HTMLResponse:
        """Confirm the address: it is proven, and earlier consents take effect. Safe to repeat."""
        language, words = words_for(accepted)
        link = _read(token, "confirm", key)
        answered = None
        if link is not None:
            async with parts.engine.begin() as conn:
                answered = await answers.confirm(
                    conn, link, clock.utc_now(), endpoints=parts.endpoints, facts=parts.facts
                )
        if answered is None:
            return _page(language, words.over, status=_GONE)
        _tell(parts, answered)
        return _page(language, words.confirm_done)


def _withdrawing(router: APIRouter, parts: Parts, key: bytes) -> None:
    @router.get("/u/{token}")
    async def ask_to_withdraw(token: str, accepted: _Language = "") -> HTMLResponse:
        """The page that asks what to unsubscribe from; nothing changes."""
        language, words = words_for(accepted)
        link = _read(token, "withdraw", key)
        if link is None:
            return _page(language, words.over, status=_GONE)
        async with parts.engine.connect() as conn:
            mail = await store.sent(conn, link.delivery)
        one_of_several = mail is not None and answers.purpose_withdrawn(mail) is not None
        more = _button(words.withdraw_all, "?all=1") if one_of_several else ""
        return _page(language, words.withdraw_ask, _button(words.withdraw) + more)

    @router.post("/u/{token}")
    async def withdraw(
        token: str, accepted: _Language = "", every: Annotated[str, Query(alias="all")] = ""
    ) -> HTMLResponse:
        """No more mail of this kind, or with `all=1` none at all, from now on. Safe to repeat.

        Any other `all` is none: whoever clicks is answered by a page, never by a word on parameters.
        """
        language, words = words_for(accepted)
        link = _read(token, "withdraw", key)
        if link is None:
            return _page(language, words.over, status=_GONE)
        async with parts.engine.begin() as conn:
            answered = await answers.withdraw(conn, link, clock.utc_now(), everything=every in _ALL, facts=parts.facts)
        _tell(parts, answered)
        return _page(language, words.withdraw_done)


def _read(token: str, kind: Kind, key: bytes) -> Link | None:
    link = read_token(token, kind, key)
    return None if link is None or expired(link, clock.utc_now()) else link


def _tell(parts: Parts, answered: answers.Answered) -> None:
    if answered.endpoints:
        parts.wake(answered.endpoints)
    if answered.facts:
        parts.on_facts()


def _button(text: str, where: str = "") -> str:
    action = f' action="{escape(where)}"' if where else ""
    return f'<form method="post"{action}><button>{escape(text)}</button></form>'


def _page(language: str, text: str, more: str = "", *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(text)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(text)}</h1>{more}</body></html>",
        status,
        _HEADERS,
    )
