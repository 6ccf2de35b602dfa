"""Typeform: every submitted form is a lead.

https://www.typeform.com/developers/webhooks/example-payload/
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.answers import Answer, check_recent, objects, read_answers, words
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, sha256
from services.ingest.domain.hooks.parts import moment, part, text, the_object
from services.ingest.domain.hooks.signatures import check_match, header

_BY_TYPE: Final = {"email": "email", "phone_number": "phone"}


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    """No time is signed: a copy is the same event by the response's id, and is refused when old (see `OLDEST`)."""
    signed = (base64.b64encode(sha256(secret.encode(), incoming.body)).decode() for secret in secrets)
    check_match([header(incoming, "typeform-signature")], [f"sha256={each}" for each in signed])


def _read(incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    event = text(the_object(body).get("event_type"))
    if event != "form_response":
        return Reading(ignored=(event or "none",))
    response = part(body, "form_response")
    # The response's own id rather than the event's: two webhooks of one form tell of the same lead.
    token = text(part(response, "token")) or text(body.get("event_id"))
    if token is None:
        raise Refused([Wrong("/form_response/token", "is required")])
    submitted = moment(part(response, "submitted_at"))
    check_recent(submitted, incoming.now, "/form_response/submitted_at")
    lead = read_answers(
        [*_hidden(part(response, "hidden")), *_answers(response)],
        options,
        form=text(part(response, "form_id")),
        at="/form_response/answers",
        more={
            "form_title": text(part(response, "definition", "title")),
            "form_score": words(part(response, "calculated", "score")),
        },
    )
    return Reading((Fact("lead.captured", lead.identity, lead, submitted, token),))


def _hidden(hidden: object) -> Iterator[Answer]:
    for name, value in hidden.items() if isinstance(hidden, dict) else ():
        said = words(value)
        if said is not None:
            yield Answer(f"/form_response/hidden/{name}", name, said)


def _answers(response: object) -> Iterator[Answer]:
    asked = dict(_asked(part(response, "definition", "fields")))
    for place, answer in objects(part(response, "answers")):
        kind, said = text(answer.get("type")), _said(answer)
        if said is None or kind is None:
            continue
        ref, title = text(part(answer, "field", "ref")), asked.get(text(part(answer, "field", "id")) or "")
        yield Answer(
            f"/form_response/answers/{place}",
            title or ref or kind,
            said,
            ours=_BY_TYPE.get(kind),
            alias=ref,
            long=part(answer, "field", "type") == "long_text",
        )


def _asked(fields: object) -> Iterator[tuple[str, str]]:
    """The ids of the questions with their titles, those in a group too. Stars and underscores there are Markdown."""
    for _, field in objects(fields):
        for _, each in [(0, field), *objects(part(field, "properties", "fields"))]:
            identifier, title = text(each.get("id")), text(each.get("title"))
            if identifier is not None and title is not None:
                yield identifier, title.replace("*", "").strip("_ ")


def _said(answer: Mapping[str, Any]) -> str | None:
    kind = answer.get("type")
    value = answer.get(kind) if isinstance(kind, str) else None
    if not isinstance(value, dict):
        return words(value)
    if kind == "choice":
        return words(value.get("label")) or words(value.get("other"))
    if kind == "choices":
        return words([words(value.get("labels")), words(value.get("other"))])
    return words(value.get("amount")) if kind == "payment" else None


HOOK: Final = Hook(
    kind="typeform", verify=_verify, read=_read, options=frozenset({"fields"}), header="typeform-signature"
)
