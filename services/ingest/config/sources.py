"""`sources.yaml`: who may send what, with which key, from which pages, how often."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from services.ingest.config.forms import Origin, RawConsent, RawForm
from services.ingest.config.hooks import HOOK_KINDS, HookSettings, RawHook
from services.ingest.config.source import ALLOWED, Kind, Source, SourceLimits, Sources, public_limits
from services.ingest.domain.hooks.registry import SENDERS
from services.ingest.domain.rate import Rate, parse_rate
from shared import canary, secrets
from shared.config import ConfigModel, read, validate
from shared.errors import ConfigProblem, ConfigurationError
from shared.events.envelope import Trust
from shared.events.lanes import Lane

FILE: Final = "sources.yaml"
_OF_FORMS: Final = ("form", "consent", "redirect", "least_fill_seconds")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _reference(text: str) -> str:
    if not secrets.is_reference(text):
        raise ValueError("must be a reference, env:NAME or file:/path, never the key itself")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must be a URL such as https://example.com/thanks")
    return text


FormField: TypeAlias = Literal[
    "email", "phone", "name", "first_name", "last_name", "company", "interest", "message", "user_id", "anonymous_id",
    "country", "page", "consent",
]  # fmt: skip
_SHORT_NAMES: Final = {"first_name": "first", "last_name": "last"}


def _rate(text: object) -> Rate:
    if not isinstance(text, str):
        raise ValueError("must be a rate such as 100/s, 30/m or 1000/h")  # noqa: TRY004 - pydantic wants a ValueError
    return parse_rate(text)


_Rate = Annotated[Rate, BeforeValidator(_rate)]


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a source's name must be lower-case letters, digits and -: it stands in addresses")
    if text == canary.NAME:
        raise ValueError("is the name of the canary, a source of Firsthour's own")
    return text


_Name = Annotated[str, AfterValidator(_name)]


class _Limits(ConfigModel):
    source: _Rate | None = None
    address: _Rate | None = None
    forms: _Rate | None = None


class _Source(RawHook):
    kind: Kind
    trust: Trust | None = None
    keys: tuple[Annotated[str, AfterValidator(_reference)], ...] = ()
    lane: Lane = "live"
    orders_of: _Name | None = None
    origins: tuple[Origin, ...] = ()
    redirect: Annotated[str, AfterValidator(_url)] | None = None
    fields: dict[FormField, str] = Field(default_factory=dict)
    limits: _Limits = _Limits()
    form: RawForm | None = None
    consent: RawConsent | None = None
    least_fill_seconds: Annotated[float, Field(ge=0, le=60)] = 2.0


class _File(ConfigModel):
    sources: dict[_Name, _Source]


def load_sources(config: Path, *, environment: Mapping[str, str], state: Path) -> Sources:
    """What `<config>/sources.yaml` says, with the keys. Raises ConfigurationError with every problem."""
    document = read(config / FILE)
    raw = validate(document, _File)
    problems: list[ConfigProblem] = []
    warnings: list[ConfigProblem] = []
    by_key: dict[bytes, Source] = {}
    by_name: dict[str, Source] = {}
    for name, each in raw.sources.items():
        hook, wrong = each.settings(environment, state)
        problems += [document.problem(("sources", name, *key), text) for key, text in wrong]
        problems += [document.problem(("sources", name, key), text) for key, text in _misplaced(each)]
        problems += [document.problem(("sources", name, "orders_of"), text) for text in _no_shop(name, raw.sources)]
        warnings += [document.problem(("sources", name), text) for text in _doubtful(each)]
        source = _source(name, each, hook)
        by_name[name] = source
        if each.kind in ("segment", "api") and not each.keys:
            problems.append(document.problem(("sources", name), "needs a key: `keys: [env:NAME]`"))
        for index, reference in enumerate(each.keys):
            try:
                digest = hashlib.sha256(secrets.resolve(reference, environment, state).encode()).digest()
            except secrets.MissingSecret as error:
                problems.append(document.problem(("sources", name, "keys", index), str(error)))
                continue
            if digest in by_key:
                other = by_key[digest].name
                problems.append(document.problem(("sources", name, "keys", index), f"also opens {other}: one key each"))
            by_key[digest] = source
    if problems:
        raise ConfigurationError(problems)
    return Sources(by_name, _origins(by_name.values()), by_key, warnings)


def _origins(sources: Iterable[Source]) -> frozenset[str]:
    of_pages = [each.origins for each in sources if each.kind in ("form", "segment") or each.origins]
    return frozenset().union(*of_pages) if all(of_pages) else frozenset()


def _misplaced(raw: _Source) -> Iterator[tuple[str, str]]:
    """Keys that have no effect on this kind of source."""
    if raw.kind != "form":
        for name in _OF_FORMS:
            if name in raw.model_fields_set:
                yield name, "is only for sources of kind form"
    if raw.keys and raw.kind in HOOK_KINDS:
        yield "keys", "opens nothing: webhooks are signed, with what stands in `secrets`"
    if raw.fields and raw.kind in ("segment", "api"):
        yield "fields", "is only for forms"
    if raw.trust is not None and raw.kind != "segment":
        known = "public: anybody can fill in a form" if raw.kind == "form" else "trusted: its key or secret is nobody's"
        yield "trust", f"is only for sources of kind segment; kind {raw.kind} is {known}"


def _no_shop(name: str, sources: Mapping[str, _Source]) -> Iterator[str]:
    """Why the source cannot speak of the orders of the one that it names."""
    raw = sources[name]
    if raw.orders_of is None:
        return
    shop = sources.get(raw.orders_of)
    if shop is None or raw.orders_of == name:
        yield f"there is no other source of the name {raw.orders_of}"
    elif shop.orders_of is not None:
        yield f"{raw.orders_of} itself speaks of the orders of {shop.orders_of}: name that"
    elif "public" in (_trust(raw), _trust(shop)):
        yield "both have to be trusted: nobody else may speak of orders"


def _trust(raw: _Source) -> Trust:
    return raw.trust or ("public" if raw.kind in ("form", "segment") else "trusted")


def _doubtful(raw: _Source) -> Iterator[str]:
    """Warnings about settings that are probably not meant so."""
    if raw.kind == "segment" and raw.trust is None:
        yield (
            "counts as `trust: public`, as if its key stood in a page: its orders book no money, and it changes "
            "nothing that others said. If only servers have the key, say `trust: trusted`; else `trust: public`"
        )
    if raw.kind == "segment" and raw.trust == "trusted" and raw.origins:
        yield "is trusted and has `origins`: what a browser sends is taken as public all the same"


def _source(name: str, raw: _Source, hook: HookSettings | None) -> Source:
    trust = _trust(raw)
    limits = SourceLimits(raw.limits.source, raw.limits.address, raw.limits.forms)
    return Source(
        name,
        raw.kind,
        trust,
        keyless=False,
        lane=raw.lane,
        country=raw.country,
        orders_of=raw.orders_of,
        origins=frozenset(raw.origins),
        redirect=raw.redirect,
        fields={_SHORT_NAMES.get(ours, ours): theirs for ours, theirs in raw.fields.items()},
        limits=public_limits(limits) if trust == "public" else limits,
        form=None if raw.form is None else raw.form.hosted(raw.consent, raw.redirect),
        consent=None if raw.consent is None else raw.consent.wording,
        least_fill_s=raw.least_fill_seconds,
        hook=hook,
    )


def shop_of(config: Path, name: str) -> str | None:
    """`orders_of` of this source, as a path. A file's source need not be named there. Raises ConfigurationError."""
    if not (config / FILE).exists():
        return None
    raw = validate(read(config / FILE), _File).sources.get(name)
    return None if raw is None or raw.orders_of is None else f"/sources/{raw.orders_of}"


def lead_key(config: Path) -> str | None:
    """The reference to the first key that opens `POST /v1/leads`; None without one. Raises ConfigurationError."""
    for each in validate(read(config / FILE), _File).sources.values():
        if "lead" in ALLOWED[each.kind] and each.keys:
            return each.keys[0]
    return None


def secret_names(config: Path) -> frozenset[str]:
    """The environment variables of secrets that are ours to choose: `firsthour setup` makes the missing ones.

    A sender that signs makes its own secret; we choose that of kind generic, or of one in the URL.
    """
    raw = validate(read(config / FILE), _File)
    sources = raw.sources.values()
    ours = {"generic", *(kind for kind, hook in SENDERS.items() if hook.early)}
    references = (one for each in sources for one in (*each.keys, *(each.secrets if each.kind in ours else ())))
    return frozenset(each.removeprefix("env:") for each in references if each.startswith("env:"))
