"""The two plain pages that a form's visitor may see: thank you, and what was wrong. No script, no outside resource."""

from collections.abc import Sequence
from html import escape

from services.ingest.domain.checks import Wrong

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body{{font:1.125rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}}
body{{color:#1a1a1a;background:#fff}}
h1{{font-size:1.5rem}}@media(prefers-color-scheme:dark){{body{{color:#eee;background:#16181c}}}}
</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"""
HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors *"),
    (b"cache-control", b"no-store"),
)


def thanks() -> bytes:
    """Where a visitor goes when the source names no page of its own."""
    return _PAGE.format(title="Thank you", body="<p>We have your message and will be in touch shortly.</p>").encode()


def wrong(problems: Sequence[Wrong]) -> bytes:
    """What to correct. The values that were sent are not repeated."""
    items = "".join(
        f"<li><strong>{escape(each.at.lstrip('/'))}</strong> {escape(each.problem)}</li>" for each in problems
    )
    body = f"<ul>{items}</ul><p>Please go back and correct this; what you typed is still there.</p>"
    return _PAGE.format(title="Something is missing", body=body).encode()
