"""Who may read and operate: bearer tokens with scopes, compared in constant time."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from shared.http.problems import Problem, problem_response

SCOPES: Final = ("read", "operate", "admin")  # each includes the scopes before it
_BEARER = HTTPBearer(auto_error=False, description="The state folder's `admin-token`, or FIRSTHOUR_ADMIN_TOKEN.")
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
_GUARDED: Final = "/v1/"
App = Callable[..., Awaitable[None]]
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class Tokens:
    """The tokens of an installation; `read`, `operate` and `admin` are FastAPI dependencies."""

    def __init__(self, admin_token: str) -> None:
        """One token with the scope admin, which includes the others."""
        self._granted = {admin_token.encode(): "admin"}

    async def read(self, given: _Credentials) -> None:
        """Requires the scope `read`. Raises Problem 401 or 403."""
        self._check(given, "read")

    async def operate(self, given: _Credentials) -> None:
        """Requires the scope `operate`. Raises Problem 401 or 403."""
        self._check(given, "operate")

    async def admin(self, given: _Credentials) -> None:
        """Requires the scope `admin`. Raises Problem 401 or 403."""
        self._check(given, "admin")

    def first(self, app: App) -> App:
        """The app behind its tokens: a request without one is refused before its body is read or its path resolved.

        FastAPI alone would read the body before it checks the token.
        """

        async def guarded(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"].startswith(_GUARDED):
                scheme, token = get_authorization_scheme_param(_authorization(scope))
                try:
                    self._scope(token if scheme.lower() == "bearer" and token else None)
                except Problem as problem:
                    await problem_response(problem)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return guarded

    def _check(self, given: HTTPAuthorizationCredentials | None, needed: str) -> None:
        scope = self._scope(None if given is None else given.credentials)
        if SCOPES.index(scope) < SCOPES.index(needed):
            raise Problem(403, f"This token may not do that; it needs the scope {needed}")

    def _scope(self, given: str | None) -> str:
        """The scope of a token. Raises Problem 401."""
        if given is None:
            raise Problem(
                401, "A token is needed", "Send `Authorization: Bearer <token>`; the token is in the state folder.",
                headers=_CHALLENGE,
            )  # fmt: skip
        scope = None
        for token, granted in self._granted.items():  # compare with all of them, so that timing tells nothing
            if hmac.compare_digest(token, given.encode("utf-8", "replace")):
                scope = granted
        if scope is None:
            raise Problem(401, "This token is not known", headers=_CHALLENGE)
        return scope


def _authorization(scope: dict[str, Any]) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
