"""Composes the message of an e-mail delivery: from a template, or a rep's notice of a task."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Final

from services.nurture.channels.channel import Rep
from services.nurture.channels.email.content import Template, render
from services.nurture.channels.email.settings import MailServer
from services.nurture.channels.email.smtp import Compose
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.mail.links import links_of
from shared.errors import Permanent
from shared.money import Money

_SUBJECT: Final = 120  # characters


def composer(
    templates: Mapping[str, Template],
    reps: Mapping[str, Rep],
    server: MailServer,
    clock: Callable[[], datetime],
    link_key: bytes = b"",
) -> Compose:
    """The function that composes a delivery's message; it raises Permanent when it cannot."""

    def compose(given: StoredDelivery) -> EmailMessage:
        if given.rep is not None:
            rep = reps.get(given.rep)
            if rep is None:
                raise Permanent("the configuration names no such rep")
            return task_message(given, rep.email, server, clock())
        template = templates.get(given.target)
        if template is None:
            raise Permanent("there is no template of this name")
        now, links = clock(), None
        if server.links is not None:
            links = links_of(
                server.links,
                link_key,
                delivery=given.id,
                contact=given.contact_id,
                proven=given.payload.followup.data.proven,
                now=now,
            )
        elif given.confirmation == "asks":
            raise Permanent("`links` of email is not set: nobody could confirm the address")
        return render(
            template, given.payload, given.recipient, delivery_id=given.id, server=server, now=now, links=links
        )

    return compose


def task_message(given: StoredDelivery, address: str, server: MailServer, now: datetime) -> EmailMessage:
    """A rep's notice of a task: who, why, how to reach them, until when."""
    content = given.payload.followup.data
    contact = content.contact
    known = [
        ("Name", contact.name),
        ("Company", contact.company),
        ("Phone", contact.phone),
        ("E-mail", contact.email),
        ("Country", contact.country),
        ("Interest", contact.interest),
        ("Value as a lead", _money(content.lead_value)),
        ("Value as a customer", _money(content.customer_value)),
        ("Until", content.context["deadline"]),
        ("Message", content.event.data.get("message")),
    ]
    who = contact.name or contact.company or "a contact"
    lines = [f"{name}: {value}" for name, value in known if value]
    message = EmailMessage(SMTP.clone(utf8=not (address + server.sender).isascii()))
    message["From"] = formataddr((" ".join(server.sender_name.split()), server.sender))
    message["To"] = address
    message["Subject"] = " ".join(f"{given.target}: {who} ({given.workflow})".split())[:_SUBJECT]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{given.id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    done = f"When it is done: POST /v1/tasks/{content.delivery}/done"
    message.set_content("\n".join([*lines, "", done, ""]), cte="quoted-printable")
    return message


def _money(value: Money) -> str:
    return f"{value.amount} {value.currency}"
