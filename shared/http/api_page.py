"""`/docs`: the API's reference as one plain page that loads nothing and runs no script.

The usual pages load a script from another host into the page where the admin token is then typed.
"""

from html import escape
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem;color-scheme:light dark}"
    "h2{font-size:1rem;margin:2rem 0 .25rem;overflow-wrap:anywhere}p,ul{margin:.25rem 0}code{font-size:.95em}"
)


def install_api_page(app: FastAPI) -> None:
    """Add `GET /docs` to an app."""

    @app.get("/docs", include_in_schema=False)
    async def api_page() -> HTMLResponse:
        """The OpenAPI document as HTML."""
        return HTMLResponse(_page(app.openapi()), headers=_HEADERS)


def _page(document: dict[str, Any]) -> str:
    title = escape(document["info"]["title"])
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>The same for programs, with every field: "
        f'<a href="openapi.json">openapi.json</a>.</p>{operations}</body></html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    told = (operation.get("summary"), operation.get("description"))
    words = "".join(f"<p>{escape(each)}</p>" for each in dict.fromkeys(told) if each)
    parameters = [f"{each['name']} ({each['in']})" for each in operation.get("parameters", ())]
    taken = list(operation.get("requestBody", {}).get("content", {}))
    answers = [f"{status}: {answer.get('description', '')}" for status, answer in operation["responses"].items()]
    lists = (("Parameters", parameters), ("Takes", taken), ("Answers", answers))
    shown = "".join(f"<p>{name}</p>{_list(items)}" for name, items in lists if items)
    return f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>{words}{shown}"


def _list(items: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in items)}</ul>"
