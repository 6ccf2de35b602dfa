"""The page of the sinks: what they received, newest first. Everything from outside is escaped."""

from datetime import datetime
from html import escape
from itertools import islice
from typing import Any, Final

from demo.landed import Landed, LandedMail, LandedWebhook

HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
    (b"cache-control", b"no-store"),
    (b"refresh", b"3"),
)
_SHOWN: Final = 100
_NUMBERS: Final = ("Lead value", "After the lead", "Receipts")
_STYLE: Final = """
:root{--ink:#1d2129;--soft:#5f6773;--line:#e3e6ea;--back:#fff;--card:#f7f8fa;--good:#0a7d38}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa3ae;--line:#30353d;--back:#15181d;--card:#1d2127;
--good:#5fd38d}}
body{font:16px/1.5 system-ui,sans-serif;margin:0;color:var(--ink);background:var(--back)}
main{max-width:64rem;margin:0 auto;padding:1.5rem}h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.25rem 0;color:var(--soft)}table{border-collapse:collapse;width:100%}
th{font-weight:600;text-align:left;color:var(--soft);font-size:.85rem}
td,th{padding:.45rem .6rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.good{color:var(--good)}
details{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.5rem .75rem;margin:.5rem 0}
summary{cursor:pointer}pre{white-space:pre-wrap;margin:.5rem 0 0;font:14px/1.45 ui-monospace,monospace}
.wide{overflow-x:auto}
"""


def page(landed: Landed) -> bytes:
    """The whole page as UTF-8."""
    webhooks = list(islice(reversed(landed.webhooks.values()), _SHOWN))
    mails = list(islice(reversed(landed.mails), _SHOWN))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Firsthour demo: what landed</title><style>{_STYLE}</style></head><body><main>
<h1>What landed</h1>
<p>Follow-ups that Firsthour sent to this machine. The page renews itself every three seconds.</p>
<h2>Webhooks <span class="good">{len(landed.webhooks)} with a valid signature</span>{_refused(landed)}</h2>
{_webhooks(webhooks)}
<h2>Mails ({len(landed.mails)})</h2>
{"".join(map(_mail, mails)) or "<p>None yet.</p>"}
</main></body></html>""".encode()


def _refused(landed: Landed) -> str:
    return f", {landed.refused} refused" if landed.refused else ""


def _webhooks(webhooks: list[LandedWebhook]) -> str:
    if not webhooks:
        return "<p>None yet. Post a lead, with the <code>curl</code> that the start printed.</p>"
    head = "".join(
        f'<th scope="col"{" class=n" if name in _NUMBERS else ""}>{name}</th>'
        for name in ("Came at", "Endpoint", "Who", "Lead value", "Why", "After the lead", "Receipts")
    )
    rows = "".join(map(_row, webhooks))
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(webhook: LandedWebhook) -> str:
    data = webhook.payload.get("data", {})
    contact = data.get("contact") or {}
    who = contact.get("name") or contact.get("email") or contact.get("phone") or "somebody"
    worth = data.get("lead_value") or {}
    reasons = sorted(data.get("reasons") or [], key=lambda each: -abs(float(each["amount"]["amount"])))
    cells = (
        ("", webhook.received_at.strftime("%H:%M:%S")),
        ("", webhook.endpoint),
        ("", str(who)),
        ("n", f"{worth.get('amount', '')} {worth.get('currency', '')}".strip()),
        ("", ", ".join(str(each["factor"]) for each in reasons[:2])),
        ("n", _after(webhook, data)),
        ("n", str(webhook.receipts)),
    )
    return "<tr>" + "".join(f'<td class="{kind}">{escape(text)}</td>' for kind, text in cells) + "</tr>"


def _after(webhook: LandedWebhook, data: dict[str, Any]) -> str:
    try:
        happened = datetime.fromisoformat(data["event"]["time"])
    except (KeyError, TypeError, ValueError):
        return ""
    return f"{(webhook.received_at - happened).total_seconds():.3f} s"


def _mail(mail: LandedMail) -> str:
    at = mail.received_at.strftime("%H:%M:%S")
    return (
        f"<details><summary>{escape(at)} · {escape(mail.to)} · <strong>{escape(mail.subject)}</strong></summary>"
        f"<pre>{escape(mail.text)}</pre></details>"
    )
