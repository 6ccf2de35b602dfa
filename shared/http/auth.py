"""Who may read and operate: bearer tokens with scopes, compared in constant time."""

import contextlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from shared.http.problems import Problem, problem_response
from shared.tokens import Actor, Scope, TokenFile

SCOPES: Final[tuple[Scope, ...]] = ("read", "operate", "admin")  # each includes those before it
_BEARER = HTTPBearer(
    auto_error=False, description="The state folder's `admin-token`, or one made by `firsthour tokens create`."
)
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
_GUARDED: Final = "/v1/"
App = Callable[..., Awaitable[None]]
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
_Actor = Annotated[
    str | None,
    Header(alias="Firsthour-Actor", max_length=200, description="The person who does it, for the audit."),
]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do. `pii`: see addresses, numbers and names. `token`: what the token is called."""

    scope: Scope
    pii: bool
    token: str


class Tokens:
    """The tokens of an installation; `read`, `operate`, `admin` and `actor` are FastAPI dependencies."""

    def __init__(self, admin_token: str, others: TokenFile | None = None) -> None:
        """One token with the scope admin, which includes the others, and those that a person has made."""
        self._admin = admin_token.encode()
        self._others = others

    async def read(self, given: _Credentials) -> Grant:
        """Admit tokens that may read. Raises Problem 401 or 403."""
        return self._check(given, "read")

    async def operate(self, given: _Credentials) -> Grant:
        """Admit tokens that may replay, enable and finish tasks. Raises Problem 401 or 403."""
        return self._check(given, "operate")

    async def admin(self, given: _Credentials) -> Grant:
        """Admit tokens that may do everything. Raises Problem 401 or 403."""
        return self._check(given, "admin")

    async def actor(self, given: _Credentials, actor: _Actor = None) -> Actor:
        """Admit tokens that may operate, and say who it is. Raises Problem 401 or 403."""
        token = self._check(given, "operate").token
        return Actor(_text(actor) or token, token)

    def first(self, app: App) -> App:
        """The app behind its tokens: without one, a request is refused before its body or path is looked at.

        FastAPI would read the body first, and then ask who sends it.
        """

        async def guarded(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"].startswith(_GUARDED):
                scheme, token = get_authorization_scheme_param(_authorization(scope))
                try:
                    self._grant(token if scheme.lower() == "bearer" and token else None)
                except Problem as problem:
                    await problem_response(problem)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return guarded

    def _check(self, given: HTTPAuthorizationCredentials | None, needed: Scope) -> Grant:
        grant = self._grant(None if given is None else given.credentials)
        if SCOPES.index(grant.scope) < SCOPES.index(needed):
            raise Problem(403, f"This token may not do that; it needs the scope {needed}")
        return grant

    def _grant(self, given: str | None) -> Grant:
        """What a token grants. Raises Problem 401."""
        if given is None:
            raise Problem(
                401, "A token is needed", "Send `Authorization: Bearer <token>`; the token is in the state folder.",
                headers=_CHALLENGE,
            )  # fmt: skip
        if hmac.compare_digest(self._admin, given.encode("utf-8", "replace")):
            return Grant("admin", pii=True, token="admin")  # noqa: S106 - a name
        token = self._others.find(given) if self._others is not None else None
        if token is None:
            raise Problem(401, "This token is not known", headers=_CHALLENGE)
        return Grant(token.scope, token.pii, token.name)


def needs_pii(grant: Grant) -> None:
    """Raises Problem 403: what a token may not see it cannot look for."""
    if not grant.pii:
        raise Problem(403, "This token cannot search by what it may not see; it needs `pii`")


def _text(header: str | None) -> str:
    """A header's text as it was meant: browsers and programs write UTF-8, HTTP says Latin-1."""
    if header is None:
        return ""
    with contextlib.suppress(UnicodeError):
        header = header.encode("latin-1").decode()
    return header.strip()


def _authorization(scope: dict[str, Any]) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
