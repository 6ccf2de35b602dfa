"""Which message an e-mail delivery is: the contact's, from a template, or the one that tells a rep of a task."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any, Final

import msgspec

from services.nurture.channels.channel import Rep
from services.nurture.channels.email.content import Template, render
from services.nurture.channels.email.settings import MailServer
from services.nurture.channels.email.smtp import Compose
from services.nurture.domain.delivery import StoredDelivery
from shared.errors import Permanent

_SUBJECT: Final = 120  # characters


def composer(
    templates: Mapping[str, Template], reps: Mapping[str, Rep], server: MailServer, clock: Callable[[], datetime]
) -> Compose:
    """Makes the message of each delivery; it raises Permanent when there can be none."""

    def compose(given: StoredDelivery) -> EmailMessage:
        if given.rep is not None:
            rep = reps.get(given.rep)
            if rep is None:
                raise Permanent("the configuration names no such rep")
            return task_message(given, rep.email, server, clock())
        template = templates.get(given.target)
        if template is None:
            raise Permanent("there is no template of this name")
        return render(template, given.payload, given.recipient, delivery_id=given.id, server=server, now=clock())

    return compose


def task_message(given: StoredDelivery, address: str, server: MailServer, now: datetime) -> EmailMessage:
    """What tells a rep of a task: who, why, how to reach them, until when."""
    data: dict[str, Any] = msgspec.json.decode(given.payload)["data"]
    contact = data["contact"]
    known = [
        ("Name", contact.get("name")),
        ("Company", contact.get("company")),
        ("Phone", contact.get("phone")),
        ("E-mail", contact.get("email")),
        ("Country", contact.get("country")),
        ("Interest", contact.get("interest")),
        ("Value as a lead", _money(data.get("lead_value"))),
        ("Value as a customer", _money(data.get("customer_value"))),
        ("Until", data.get("deadline")),
        ("Message", (data.get("event") or {}).get("data", {}).get("message")),
    ]
    who = contact.get("name") or contact.get("company") or "a contact"
    lines = [f"{name}: {value}" for name, value in known if value]
    message = EmailMessage(SMTP.clone(utf8=not (address + server.sender).isascii()))
    message["From"] = formataddr((" ".join(server.sender_name.split()), server.sender))
    message["To"] = address
    message["Subject"] = " ".join(f"{given.target}: {who} ({given.workflow})".split())[:_SUBJECT]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{given.id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    done = f"When it is done: POST /v1/tasks/{data['delivery']}/done"
    message.set_content("\n".join([*lines, "", done, ""]), cte="quoted-printable")
    return message


def _money(value: Any) -> str | None:
    return f"{value['amount']} {value['currency']}" if isinstance(value, dict) else None
