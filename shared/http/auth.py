"""Who may read and operate: bearer tokens with scopes, compared in constant time."""

import hmac
from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.http.problems import Problem

SCOPES: Final = ("read", "operate", "admin")  # each includes those before it
_BEARER = HTTPBearer(auto_error=False, description="The state folder's `admin-token`, or FIRSTHOUR_ADMIN_TOKEN.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class Tokens:
    """The tokens of an installation; `read`, `operate` and `admin` are FastAPI dependencies."""

    def __init__(self, admin_token: str) -> None:
        """One token with the scope admin, which includes the others."""
        self._granted = {admin_token.encode(): "admin"}

    async def read(self, given: _Credentials) -> None:
        """Let through whoever may look. Raises Problem 401 or 403."""
        self._check(given, "read")

    async def operate(self, given: _Credentials) -> None:
        """Let through whoever may replay, enable and finish tasks. Raises Problem 401 or 403."""
        self._check(given, "operate")

    async def admin(self, given: _Credentials) -> None:
        """Let through whoever may do everything. Raises Problem 401 or 403."""
        self._check(given, "admin")

    def _check(self, given: HTTPAuthorizationCredentials | None, needed: str) -> None:
        challenge = {"WWW-Authenticate": "Bearer"}
        if given is None:
            raise Problem(
                401, "A token is needed", "Send `Authorization: Bearer <token>`; the token is in the state folder.",
                headers=challenge,
            )  # fmt: skip
        scope = None
        for token, granted in self._granted.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(token, given.credentials.encode()):
                scope = granted
        if scope is None:
            raise Problem(401, "This token is not known", headers=challenge)
        if SCOPES.index(scope) < SCOPES.index(needed):
            raise Problem(403, f"This token may not do that; it needs the scope {needed}")
