"""Other services as they sign what they send to `/hooks/<kind>`, with their documented bodies as if of today."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

import stripe
from standardwebhooks.webhooks import Webhook

from shared.clock import utc_now

_TOLD: Final = frozenset({"mailchimp", "postmark", "sendgrid", "ses"})  # they sign nothing, and tell the secret
_FOLDER: Final = Path(__file__).parents[1] / "unit" / "ingest" / "hooks"
_SHOPIFY: Final = {
    "order": "orders/paid",
    "customer": "customers/create",
    "refund": "refunds/create",
    "checkout": "checkouts/create",
    "consent_update": "customers_email_marketing_consent/update",
}


class Sent(NamedTuple):
    """A webhook's body, and the headers that prove its sender."""

    sender: str
    name: str
    body: bytes
    headers: dict[str, str]


def documented(kind: str, name: str) -> bytes:
    """The body in the shape that its sender documents, as if it were of yesterday."""
    text = (_FOLDER / kind / f"{name}.json").read_text()
    return text.replace("2026-03-10T", f"{utc_now() - timedelta(days=1):%Y-%m-%dT}").encode()


def everything(secret: str, url: str, change: Callable[[str, bytes], bytes] = lambda _kind, body: body) -> list[Sent]:
    """Every documented body of every sender, signed with this secret. `url`: of ingest, which HubSpot signs too.

    `change` makes another body of a documented one, before it is signed.
    """
    found = []
    for path in sorted(_FOLDER.glob("*/*.json")):
        kind, name = path.parent.name, path.stem
        if name != "graph_answer":  # that is what Meta is asked for
            body = change(kind, documented(kind, name))
            if kind == "google":
                body = json.dumps(json.loads(body) | {"google_key": secret}).encode()
            if kind == "mailgun":  # its signature stands in the body
                body = json.dumps(json.loads(body) | {"signature": _by_mailgun(secret)}).encode()
            url_of_kind = f"{url}/hooks/{kind}"
            headers = _told(secret) if kind in _TOLD else signed(kind, body, secret, name=name, url=url_of_kind)
            found.append(Sent(kind, name, body, headers))
    return found


def signed(
    kind: str, body: bytes, secret: str, *, name: str = "order", url: str = "", late_s: float = 0
) -> dict[str, str]:
    """The headers of this sender, with its own SDK where there is one. `name`: of the body; some say it in a header."""
    sent = utc_now() - timedelta(seconds=late_s)
    now = int(sent.timestamp())
    headers: dict[str, str] = {}
    match kind:
        case "stripe":
            made = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=now)
            headers = {"Stripe-Signature": str(made)}
        case "shopify":
            headers = {"X-Shopify-Hmac-Sha256": _base64(secret, body), "X-Shopify-Topic": _SHOPIFY[name]}
        case "woocommerce":
            topic = "customer.created" if name == "customer" else "order.updated"
            headers = {"X-WC-Webhook-Signature": _base64(secret, body), "X-WC-Webhook-Topic": topic}
        case "typeform":
            headers = {"Typeform-Signature": "sha256=" + _base64(secret, body)}
        case "tally":
            headers = {"Tally-Signature": _base64(secret, body)}
        case "calendly":
            headers = {"Calendly-Webhook-Signature": f"t={now},v1={_digest(secret, f'{now}.'.encode() + body).hex()}"}
        case "hubspot":
            stamp = str(now * 1000)
            made = _base64(secret, b"POST" + url.encode() + body + stamp.encode())
            headers = {"X-HubSpot-Signature-v3": made, "X-HubSpot-Request-Timestamp": stamp}
        case "meta":
            headers = {"X-Hub-Signature-256": "sha256=" + _digest(secret, body).hex()}
        case "generic":  # by Standard Webhooks
            made = Webhook(secret).sign("msg_1", sent, body.decode())
            headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": made}
    return headers


def _told(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"firsthour:{secret}".encode()).decode()}


def _by_mailgun(secret: str) -> dict[str, str]:
    told = {"timestamp": str(int(utc_now().timestamp())), "token": "t" * 50}
    return told | {"signature": _digest(secret, "".join(told.values()).encode()).hex()}


def _digest(secret: str, content: bytes) -> bytes:
    return hmac.digest(secret.encode(), content, hashlib.sha256)


def _base64(secret: str, content: bytes) -> str:
    return base64.b64encode(_digest(secret, content)).decode()
