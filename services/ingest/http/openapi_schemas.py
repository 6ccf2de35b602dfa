"""JSON Schemas of the hot paths' requests and responses, for the OpenAPI document."""

from typing import Any, Final

from services.ingest.domain.checks import (
    DEEPEST,
    LONG,
    LONGEST_WORDING,
    MOST_ITEMS,
    MOST_MESSAGES,
    MOST_PIECES,
    MOST_VALUES,
    SHORT,
)
from services.ingest.domain.fact import MOST_PURPOSES
from services.ingest.domain.plain.leads import OWN_TRAITS
from services.ingest.domain.segment.messages import LONGEST_ID as SEGMENT_ID
from shared.events.identity import LONGEST_ID
from shared.events.types import DATA_TYPES, OURS
from shared.limits import LONGEST_URL
from shared.money import CURRENCIES

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string", "maxLength": SHORT}
_OPAQUE: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
_TIME: Final[Schema] = {"type": "string", "format": "date-time", "example": "2026-01-01T10:00:00Z"}
_AMOUNT: Final[Schema] = {
    "type": ["string", "number"],
    "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6})?$",
    "minimum": 0,
    "exclusiveMaximum": 1_000_000_000_000,
    "description": "a plain decimal number; text keeps every digit",
    "example": "129.90",
}
_CURRENCY: Final[Schema] = {
    "type": "string",
    "enum": [*sorted(CURRENCIES), *sorted(code.lower() for code in CURRENCIES)],
    "description": "ISO 4217",
    "example": "EUR",
}
_MONEY: Final[Schema] = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {"amount": _AMOUNT, "currency": _CURRENCY},
}
_IDENTITY: Final[Schema] = {
    "email": {"type": "string", "format": "email", "example": "ada@example.com"},
    "phone": {"type": "string", "description": "with its country code", "example": "+44 1632 960961"},
    "user_id": _OPAQUE,
    "anonymous_id": _OPAQUE,
}
_ONE_IDENTITY: Final = [{"required": [name]} for name in _IDENTITY]
_MESSAGE: Final[Schema] = {
    "occurred_at": _TIME,
    "message_id": {"type": "string", "maxLength": LONGEST_ID, "description": "the same one again is the same event"},
}
_FREE: Final[Schema] = {
    "type": "object",
    "description": f"Any JSON: at most {MOST_VALUES} values, {DEEPEST} levels deep, integers of 64 bits, without NUL.",
    "additionalProperties": True,
}
LEAD: Final[Schema] = {
    "type": "object",
    "description": "Needs one of email, phone, user_id, anonymous_id. Unknown plain fields are kept as traits.",
    "anyOf": _ONE_IDENTITY,
    "properties": {
        **_IDENTITY,
        **_MESSAGE,
        "name": _TEXT,
        **dict.fromkeys(OWN_TRAITS, _TEXT),
        "size": {"type": ["string", "number", "boolean"], "maxLength": SHORT},
        "interest": _TEXT,
        "message": {"type": "string", "maxLength": LONG},
        "form": _TEXT,
        "page": {"type": "string", "maxLength": LONGEST_URL},
        "estimated_value": _MONEY,
        "campaign": {"type": "object", "additionalProperties": _TEXT, "example": {"source": "google", "medium": "cpc"}},
        "consent": {
            "type": "object",
            "properties": {
                "email": {"type": "boolean"},
                "phone": {"type": "boolean"},
                "sms": {"type": "boolean"},
                "purposes": {
                    "type": "object",
                    "maxProperties": MOST_PURPOSES,
                    "additionalProperties": {"type": "boolean"},
                },
                "wording": {"type": "string", "maxLength": LONGEST_WORDING},
                "proof": {"type": "string", "maxLength": LONGEST_URL},
            },
        },
        "traits": _FREE,
    },
}
_MARGIN: Final[Schema] = {**_AMOUNT, "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$", "minimum": -999_999_999_999}
PURCHASE: Final[Schema] = {
    "type": "object",
    "description": "Needs one of email, phone, user_id, anonymous_id. The same order_id again is the same purchase.",
    "required": ["order_id", "amount", "currency"],
    "anyOf": _ONE_IDENTITY,
    "properties": {
        **_IDENTITY,
        **_MESSAGE,
        "order_id": {**_TEXT, "minLength": 1},
        "amount": _AMOUNT,
        "currency": _CURRENCY,
        "margin": _MARGIN,
        "coupon": _TEXT,
        "items": {
            "type": "array",
            "maxItems": MOST_ITEMS,
            "items": {
                "type": "object",
                "properties": {
                    "sku": _TEXT,
                    "name": _TEXT,
                    "quantity": {"type": "integer", "minimum": 1, "maximum": MOST_PIECES},
                    "price": _AMOUNT,
                    "margin": _MARGIN,
                },
            },
        },
    },
}
_CALL: Final[Schema] = {
    "userId": _OPAQUE,
    "anonymousId": _OPAQUE,
    "messageId": {"type": "string", "maxLength": SEGMENT_ID, "description": "the same one again is the same event"},
    "timestamp": _TIME,
    "sentAt": _TIME,
    "context": {"type": "object", "additionalProperties": True},
    "writeKey": {"type": "string", "description": "as browsers send the key; servers use HTTP Basic"},
}
_FIELDS: Final[dict[str, Schema]] = {
    "track": {"event": {**_TEXT, "minLength": 1}, "properties": _FREE},
    "identify": {"traits": _FREE},
    "group": {"groupId": _TEXT, "traits": _FREE},
    "alias": {"previousId": _OPAQUE},
    "page": {"name": _TEXT, "properties": _FREE},
    "screen": {"name": _TEXT, "properties": _FREE},
}
_NEEDED: Final[dict[str, list[str]]] = {"track": ["event"], "alias": ["previousId"]}
# Segment's messages, by call.
SEGMENT: Final[dict[str, Schema]] = {
    name: {
        "type": "object",
        "description": f"Segment's {name}. Needs userId or anonymousId.",
        "properties": {**_CALL, **own},
        "additionalProperties": True,
        **({"required": _NEEDED[name]} if name in _NEEDED else {}),
    }
    for name, own in _FIELDS.items()
}
BATCH: Final[Schema] = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {
            "type": "array",
            "maxItems": MOST_MESSAGES,
            "items": {
                "type": "object",
                "description": "The call's message, with its name as `type`.",
                "required": ["type"],
                "properties": {"type": {"enum": list(SEGMENT)}, **_CALL},
                "additionalProperties": True,
            },
        },
        "sentAt": _TIME,
        "writeKey": _CALL["writeKey"],
    },
}
CLOUD_EVENT: Final[Schema] = {
    "type": "object",
    "description": "Of a type in docs/schemas. `source` and `id` together name it: a resend is the same event.",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _OPAQUE,
        "source": {**_TEXT, "minLength": 1},
        "type": {"enum": sorted(name for name in DATA_TYPES if name not in OURS)},
        "time": _TIME,
        "data": {"type": "object", "additionalProperties": True},
    },
}
CLOUD_EVENTS: Final[Schema] = {"type": "array", "maxItems": MOST_MESSAGES, "items": CLOUD_EVENT}
FORM: Final[Schema] = {
    "type": "object",
    "description": "Whatever the form's fields are called; one of them is an e-mail address or a phone number.",
    "maxProperties": 100,
    "properties": {"email": _IDENTITY["email"]},
    "additionalProperties": {"type": "string"},
}

_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_WRONG: Final[Schema] = {"at": {"type": "string", "description": "JSON pointer"}, "problem": {"type": "string"}}
ACCEPTED: Final[Schema] = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": _ID, "status": {"const": "accepted"}},
    "additionalProperties": False,
}
ACCEPTED_FORM: Final[Schema] = {
    **ACCEPTED,
    "properties": {**ACCEPTED["properties"], "redirect": {"type": "string", "description": "where to go now"}},
}
ACCEPTED_EVENTS: Final[Schema] = {
    "type": "object",
    "required": ["ids", "status"],
    "properties": {
        "ids": {"type": "array", "items": _ID},
        "status": {"const": "accepted"},
        "errors": {
            "type": "array",
            "description": "events that were not taken",
            "items": {"type": "object", "required": ["at", "problem"], "properties": _WRONG},
        },
    },
    "additionalProperties": False,
}
SUCCESS: Final[Schema] = {
    "type": "object",
    "required": ["success"],
    "properties": {"success": {"const": True}},
    "additionalProperties": False,
}
SUCCESS_OF_A_BATCH: Final[Schema] = {
    **SUCCESS,
    "properties": {
        "success": {"const": True},
        "errors": {
            "type": "array",
            "description": "messages that were not taken",
            "items": {
                "type": "object",
                "required": ["index", "at", "problem"],
                "properties": {"index": {"type": ["integer", "null"]}, **_WRONG},
            },
        },
    },
}
