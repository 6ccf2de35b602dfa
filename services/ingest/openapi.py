"""Describes the hot paths in the OpenAPI document: FastAPI serves it, plain ASGI serves the paths."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.http.problems import CONTENT_TYPE, PROBLEM_SCHEMA

_MONEY: Final = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {"type": "string", "example": "500.00"},
        "currency": {"type": "string", "example": "EUR"},
    },
}
_IDENTITY: Final[dict[str, Any]] = {
    "email": {"type": "string", "example": "ada@example.com"},
    "phone": {"type": "string", "description": "with its country code", "example": "+44 1632 960961"},
    "user_id": {"type": "string", "maxLength": 256},
    "anonymous_id": {"type": "string", "maxLength": 256},
}
_MESSAGE: Final[dict[str, Any]] = {
    "occurred_at": {"type": "string", "format": "date-time"},
    "message_id": {"type": "string", "maxLength": 256, "description": "the same one again is the same event"},
}
_TEXT: Final = {"type": "string", "maxLength": 500}
_LEAD: Final = {
    "type": "object",
    "description": "Needs one of email, phone, user_id, anonymous_id. Unknown plain fields are kept as traits.",
    "properties": {
        **_IDENTITY,
        **_MESSAGE,
        "name": _TEXT,
        "company": _TEXT,
        "interest": _TEXT,
        "message": {"type": "string", "maxLength": 10000},
        "form": _TEXT,
        "page": {"type": "string", "maxLength": 2000},
        "estimated_value": _MONEY,
        "campaign": {"type": "object", "additionalProperties": {"type": "string"}},
        "consent": {
            "type": "object",
            "properties": {
                "email": {"type": "boolean"},
                "phone": {"type": "boolean"},
                "sms": {"type": "boolean"},
                "wording": {"type": "string"},
            },
        },
        "traits": {"type": "object", "additionalProperties": True},
    },
}
_PURCHASE: Final = {
    "type": "object",
    "required": ["order_id", "amount", "currency"],
    "properties": {
        **_IDENTITY,
        **_MESSAGE,
        "order_id": _TEXT,
        "amount": {"type": "string", "example": "129.90"},
        "currency": {"type": "string", "example": "EUR"},
        "margin": {"type": "string"},
        "coupon": _TEXT,
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "sku": _TEXT,
                    "name": _TEXT,
                    "quantity": {"type": "integer", "minimum": 1},
                    "price": {"type": "string"},
                },
            },
        },
    },
}
_SEGMENT: Final = {
    "type": "object",
    "description": "Segment's message: userId or anonymousId, event, properties, traits, context, messageId.",
    "additionalProperties": True,
}
_BATCH: Final = {
    "type": "object",
    "required": ["batch"],
    "properties": {"batch": {"type": "array", "items": _SEGMENT}, "sentAt": {"type": "string"}, "writeKey": _TEXT},
}
_CLOUD_EVENT: Final = {
    "type": "object",
    "description": "Of a type in docs/schemas. `source` and `id` together name it: a resend is the same event.",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _TEXT,
        "source": _TEXT,
        "type": _TEXT,
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "additionalProperties": True},
    },
}
_ACCEPTED: Final = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": {"type": "string", "format": "uuid"}, "status": {"const": "accepted"}},
}
_SUCCESS: Final = {
    "type": "object",
    "required": ["success"],
    "properties": {
        "success": {"const": True},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "messages that were not taken"},
    },
}
_PROBLEMS: Final = {
    400: "The body cannot be read",
    401: "The write key is missing or not known",
    403: "This kind of source may not send this",
    413: "The body is too large",
    415: "The content type or encoding is not taken",
    422: "Fields are wrong; each is named",
    503: "The event could not be stored; send it again",
}


def describe(app: FastAPI) -> None:
    """Make the app's OpenAPI document hold the hot paths too."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schema["paths"] = {**_paths(), **schema["paths"]}
            schemes = {"type": "http", "scheme": "basic", "description": "the write key as user name"}
            bearer = {"type": "http", "scheme": "bearer", "description": "the write key"}
            schema.setdefault("components", {})["securitySchemes"] = {"key": schemes, "bearer": bearer}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way of extending it


def _paths() -> dict[str, Any]:
    accepted, success = {202: ("Safe", _ACCEPTED)}, {200: ("Safe", _SUCCESS)}
    paths = {
        "/v1/leads": _post("A lead", _LEAD, accepted),
        "/v1/purchases": _post("A paid order", _PURCHASE, accepted),
        "/v1/batch": _post("Many Segment messages: good ones are taken, bad ones named", _BATCH, success),
        "/v1/import": _post("As /v1/batch", _BATCH, success),
    }
    events = _post("CloudEvents 1.0: one (structured, or binary by ce- headers), or a batch", _CLOUD_EVENT, accepted)
    content = events["post"]["requestBody"]["content"]
    content["application/cloudevents+json"] = content["application/json"]
    content["application/cloudevents-batch+json"] = {"schema": {"type": "array", "items": _CLOUD_EVENT}}
    paths["/v1/events"] = events
    for name in ("track", "identify", "page", "screen", "group", "alias"):
        paths[f"/v1/{name}"] = _post(f"Segment: {name}", _SEGMENT, success)
    form = _post("An HTML form", {"type": "object", "additionalProperties": {"type": "string"}}, accepted)
    operation = form["post"]
    del operation["security"], operation["responses"]["401"]
    content = operation["requestBody"]["content"]
    content["application/x-www-form-urlencoded"] = content["application/json"]
    operation["parameters"] = [{"name": "source", "in": "path", "required": True, "schema": {"type": "string"}}]
    operation["responses"] |= {
        "200": {"description": "The thank-you page", "content": {"text/html": {}}},
        "303": {"description": "To the source's own thank-you page"},
        "404": _problem_answer("There is no such form"),
        "422": {
            "description": _PROBLEMS[422],
            "content": {CONTENT_TYPE: {"schema": PROBLEM_SCHEMA}, "text/html": {}},
        },
    }
    paths["/f/{source}"] = form
    paths["/hooks/{source}"] = _hook()
    return paths


def _hook() -> dict[str, Any]:
    """Another service's webhook: its sender decides what is in it, how it is signed and how it is answered."""
    hook = _post("Another service's webhook", {"description": "As the sender documents it."}, {})
    operation = hook["post"]
    del operation["security"], operation["responses"]["403"]
    operation["description"] = (
        "Signed as the kind of the source in sources.yaml says. 200 to event types that are nothing to us, and to what "
        "is truly the sender's own and cannot be read (logged, and counted in firsthour_ingest_hooks): to send the "
        "same again would not help. 422 only from kind generic."
    )
    operation["parameters"] = [{"name": "source", "in": "path", "required": True, "schema": {"type": "string"}}]
    operation["responses"] |= {
        "200": {"description": "Safe", "content": {"application/json": {}}},
        "401": _problem_answer("The signature is missing, wrong or too old"),
        "404": _problem_answer("There is no such source"),
    }
    return hook


def _post(summary: str, body: dict[str, Any], done: dict[int, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    answers = {
        str(status): {"description": text, "content": {"application/json": {"schema": schema}}}
        for status, (text, schema) in done.items()
    }
    return {
        "post": {
            "summary": summary,
            "tags": ["events"],
            "security": [{"key": []}, {"bearer": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": answers | {str(status): _problem_answer(text) for status, text in _PROBLEMS.items()},
        }
    }


def _problem_answer(text: str) -> dict[str, Any]:
    return {"description": text, "content": {CONTENT_TYPE: {"schema": PROBLEM_SCHEMA}}}
