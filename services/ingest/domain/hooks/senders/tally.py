"""Tally: every submitted form is a lead.

https://tally.so/help/webhooks
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.forms.consent import answer
from services.ingest.domain.hooks.answers import Answer, check_recent, objects, read_answers, words
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading
from services.ingest.domain.hooks.parts import moment, part, text, the_object
from services.ingest.domain.hooks.signatures import check_body_in_base64

_BY_TYPE: Final = {"INPUT_EMAIL": "email", "INPUT_PHONE_NUMBER": "phone"}


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    """No time is signed: a copy is the same event by the response's id, and is refused when old (see `OLDEST`)."""
    check_body_in_base64(incoming, secrets, "tally-signature")


def _read(incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    event, data = text(the_object(body).get("eventType")), part(body, "data")
    if event != "FORM_RESPONSE":
        return Reading(ignored=(event or "none",))
    # The response's own id rather than the event's: two webhooks of one form tell of the same lead.
    response = text(part(data, "responseId")) or text(body.get("eventId"))
    if response is None:
        raise Refused([Wrong("/data/responseId", "is required")])
    submitted = moment(part(data, "createdAt")) or moment(body.get("createdAt"))
    check_recent(submitted, incoming.now, "/data/createdAt")
    lead = read_answers(
        list(_answers(part(data, "fields"))),
        options,
        form=text(part(data, "formId")),
        at="/data/fields",
        more={"form_title": text(part(data, "formName"))},
    )
    return Reading((Fact("lead.captured", lead.identity, lead, submitted, response),))


def _answers(fields: object) -> Iterator[Answer]:
    several: set[str] = set()
    for place, field in objects(fields):
        kind, key = text(field.get("type")) or "", text(field.get("key")) or ""
        if kind == "CHECKBOXES" and isinstance(field.get("value"), list):
            several.add(key)
        elif kind == "CHECKBOXES" and key.rpartition("_")[0] in several:
            continue  # each box of a question is repeated separately
        said, wording = _said(field), None
        if said is None or (kind == "CHECKBOXES" and field.get("value") is False):
            continue
        if kind == "CHECKBOXES" and len(objects(field.get("options"))) == 1:
            # The only box of a question: ticked, it is a yes or no by the words beside it.
            said, wording = said if answer(said)[0] is False else "yes", said
        yield Answer(
            f"/data/fields/{place}",
            text(field.get("label")) or key or "answer",
            said,
            ours=_BY_TYPE.get(kind),
            long=kind == "TEXTAREA",
            wording=wording,
        )


def _said(field: Mapping[str, Any]) -> str | None:
    """Chosen options come as their ids; a file as an object with its address; the rows of a matrix are not read."""
    value = field.get("value")
    options = {text(option.get("id")): text(option.get("text")) for _, option in objects(field.get("options"))}
    if not isinstance(value, list):
        return options.get(words(value)) or words(value)
    if objects(value):
        return words([words(file.get("url")) for _, file in objects(value)])
    return words([options.get(words(each)) or words(each) for each in value])


HOOK: Final = Hook(kind="tally", verify=_verify, read=_read, options=frozenset({"fields"}), header="tally-signature")
