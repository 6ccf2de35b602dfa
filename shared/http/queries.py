"""A check for the query and the path of every API that reads Postgres."""

from fastapi import Request

from shared.http.problems import FieldError, Problem


def without_nul(request: Request) -> None:
    """A dependency of routes: Postgres stores no text with NUL. Raises Problem 422."""
    said = [("query", *pair) for pair in request.query_params.multi_items()]
    said += [("path", *pair) for pair in request.path_params.items()]
    wrong = [
        FieldError(f"/{where}/{name}".replace("\0", ""), "must not contain the character NUL")
        for where, name, value in said
        if "\0" in name or "\0" in value
    ]
    if wrong:
        raise Problem(422, "The request has wrong fields", errors=wrong)
