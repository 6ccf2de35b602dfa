"""A check for the query of every API that reads Postgres."""

from fastapi import Request

from shared.http.problems import FieldError, Problem


def without_nul(request: Request) -> None:
    """A dependency of routes: Postgres stores no text with NUL. Raises Problem 422."""
    wrong = [
        FieldError(f"/query/{name}".replace("\0", ""), "must not contain the character NUL")
        for name, value in request.query_params.multi_items()
        if "\0" in name or "\0" in value
    ]
    if wrong:
        raise Problem(422, "The request has wrong fields", errors=wrong)
