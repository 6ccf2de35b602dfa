"""Describes the hot paths in the OpenAPI document: FastAPI serves it, plain ASGI serves the paths."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.ingest.http import openapi_schemas as schemas
from services.ingest.http.openapi_schemas import Schema
from shared.events.identity import LONGEST_ID
from shared.http.problems import CONTENT_TYPE, PROBLEM_SCHEMA

_PROBLEMS: Final = {
    400: "The body cannot be read",
    401: "The write key is missing or not known",
    403: "This kind of source may not send this",
    408: "The body did not come in time",
    413: "The body is too large",
    415: "The content type or encoding is not taken",
    422: "Fields are wrong; each is named",
    429: "Too many requests",
    503: "The event could not be stored, or there is too much to do: send it again",
}
_SECONDS: Final = {"description": "seconds to wait", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
_PARAMETERS: Final[list[Schema]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "the same one again is the same event, whatever the message_id says",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "W3C Trace Context; one that is none is replaced",
        "schema": {"type": "string"},
    },
]
_SOURCE: Final[Schema] = {"name": "source", "in": "path", "required": True, "schema": {"type": "string"}}
_SECRET: Final[Schema] = {
    "name": "secret",
    "in": "path",
    "required": True,
    "description": "Of senders that sign nothing and can only be given a URL",
    "schema": {"type": "string"},
}
_FORM_PROBLEMS: Final = {403: "This page may not use this form", 404: "There is no such form"}
# Problems that FastAPI's own routes raise: it documents only what they return.
_CHALLENGE_PROBLEMS: Final = {
    403: "The verify token, the secret or the challenge is wrong",
    404: "There is no such webhook",
    429: "Too many wrong tokens",
}
_PROBLEMS_OF_GET: Final = {
    "/f/{source}": {404: "There is no such form"},
    "/f/{source}/stamp": {404: "There is no such form"},
    "/hooks/{source}": _CHALLENGE_PROBLEMS,
    "/hooks/{source}/{secret}": _CHALLENGE_PROBLEMS,
    "/v1/projects/{write_key}/settings": {404: "There is no such write key for a page", 429: "Too many wrong keys"},
}


def describe(app: FastAPI) -> None:
    """Add the hot paths to the app's OpenAPI document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            ours = _paths()
            others = schema["paths"]
            for path, problems in _PROBLEMS_OF_GET.items():
                answers = others[path]["get"]["responses"]
                answers |= {str(status): _problem_answer(status, text) for status, text in problems.items()}
                answers.pop("422", None)  # FastAPI's guess; their parameters are any text
            schema["paths"] = {path: ours.get(path, {}) | others.get(path, {}) for path in (*ours, *others)}
            schemes = {"type": "http", "scheme": "basic", "description": "the write key as user name"}
            bearer = {"type": "http", "scheme": "bearer", "description": "the write key"}
            schema.setdefault("components", {})["securitySchemes"] = {"key": schemes, "bearer": bearer}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way of extending it


def _paths() -> dict[str, Any]:
    safe = {202: ("Safe", schemas.ACCEPTED)}
    events = {202: ("Safe", {"anyOf": [schemas.ACCEPTED, schemas.ACCEPTED_EVENTS]})}
    many = {200: ("Safe", schemas.SUCCESS_OF_A_BATCH)}
    batch = {"application/json": schemas.BATCH, "text/plain": schemas.BATCH}
    paths = {
        "/v1/leads": _post("A lead", {"application/json": schemas.LEAD}, safe),
        "/v1/purchases": _post("A paid order", {"application/json": schemas.PURCHASE}, safe),
        "/v1/events": _post(
            "CloudEvents 1.0: one (structured, or binary by ce- headers), or a batch",
            {
                "application/cloudevents+json": schemas.CLOUD_EVENT,
                "application/cloudevents-batch+json": schemas.CLOUD_EVENTS,
                "application/json": schemas.CLOUD_EVENT,
            },
            events,
        ),
        "/v1/batch": _post("Many Segment messages: good ones are taken, bad ones named", batch, many),
        "/v1/import": _post("As /v1/batch", batch, many),
        "/f/{source}": _form(),
        "/hooks/{source}": _hook([_SOURCE]),
        "/hooks/{source}/{secret}": _hook([_SOURCE, _SECRET]),
    }
    for name, call in schemas.SEGMENT.items():
        content = {"application/json": call, "text/plain": call}
        paths[f"/v1/{name}"] = _post(f"Segment: {name}", content, {200: ("Safe", schemas.SUCCESS)})
    return paths


def _form() -> dict[str, Any]:
    content = {
        "application/x-www-form-urlencoded": schemas.FORM,
        "multipart/form-data": schemas.FORM,
        "application/json": schemas.FORM,
    }
    form = _post("An HTML form", content, {202: ("Safe, to who asked for JSON", schemas.ACCEPTED_FORM)})
    operation = form["post"]
    del operation["security"], operation["responses"]["401"]
    operation["parameters"] = [_SOURCE, *_PARAMETERS]
    operation["responses"] |= {
        "200": {"description": "The thank-you page", "content": {"text/html": {}}},
        "303": {
            "description": "To the source's own thank-you page",
            "headers": {"Location": {"schema": {"type": "string"}}},
        },
        "422": {
            "description": _PROBLEMS[422],
            "content": {CONTENT_TYPE: {"schema": PROBLEM_SCHEMA}, "text/html": {}},
        },
        **{str(status): _problem_answer(status, text) for status, text in _FORM_PROBLEMS.items()},
    }
    return form


def _hook(parameters: list[Schema]) -> dict[str, Any]:
    """Another service's webhook: its sender decides what is in it, how it is signed and how it is answered."""
    hook = _post("Another service's webhook", {"application/json": {"description": "As the sender documents it."}}, {})
    operation = hook["post"]
    del operation["security"], operation["responses"]["403"]
    operation["description"] = (
        "Signed as the kind of the source in sources.yaml says. 200 to event types that are nothing to us, and to what "
        "is truly the sender's own and cannot be read (logged, and counted in firsthour_ingest_hooks): to send the "
        "same again would not help. 422 only from kind generic."
    )
    operation["parameters"] = parameters
    operation["responses"] |= {
        "200": {"description": "Safe", "content": {"application/json": {}}},
        "401": _problem_answer(401, "The signature is missing, wrong or too old"),
        "404": _problem_answer(404, "There is no such source"),
    }
    return hook


def _post(summary: str, content: Mapping[str, Schema], done: Mapping[int, tuple[str, Schema]]) -> dict[str, Any]:
    answers = {
        str(status): {"description": text, "content": {"application/json": {"schema": schema}}}
        for status, (text, schema) in done.items()
    }
    return {
        "post": {
            "summary": summary,
            "tags": ["events"],
            "security": [{"key": []}, {"bearer": []}],
            "parameters": _PARAMETERS,
            "requestBody": {
                "required": True,
                "content": {media_type: {"schema": schema} for media_type, schema in content.items()},
            },
            "responses": answers | {str(status): _problem_answer(status, text) for status, text in _PROBLEMS.items()},
        }
    }


def _problem_answer(status: int, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": text, "content": {CONTENT_TYPE: {"schema": PROBLEM_SCHEMA}}}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": _SECONDS}
    return answer
