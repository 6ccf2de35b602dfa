"""Compiles conditions in CEL to plain callables: the domain does not know CEL.

A condition sees `contact`, `lead.value`, `customer.value` (money as numbers in major units), `event` (type, time,
source and the fields of its data) and `now`. Fields that are not known have the empty value of their kind ("", 0,
false, {}), so that `contact.country != "XX"` holds for an unknown country. A condition that cannot be decided (a
trait that this contact lacks, a text compared with a number) does not hold, and is counted.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import cel
import msgspec
from msgspec import inspect

from services.nurture.domain.context import Condition, Context
from shared.events.types import DATA_TYPES
from shared.events.updates import ContactView
from shared.money import decimals, is_amount

LONGEST: Final = 1000  # characters of one condition
_VARIABLES: Final = frozenset({"contact", "lead", "customer", "event", "now"})
_FIELD: Final = re.compile(r"(?<![\w.)\]])(contact|lead|customer|event)\s*\.\s*([A-Za-z_]\w*)(?!\s*\()")
_TEXT: Final = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'")
_MONEY: Final = frozenset({"amount", "margin", "price"})  # decimal strings in events, numbers in conditions

Undecided = Callable[[str], None]


def _ignore(_condition: str) -> None:
    """Ignore it."""


def always(_context: Context) -> bool:
    """The condition used when none is given."""
    return True


def compile_condition(text: str, event_type: str, *, undecided: Undecided = _ignore) -> Condition:
    """The condition as a callable. `event_type` is the type of the event that it will see as `event`.

    `undecided` is called with the text whenever it cannot be decided. Raises ValueError with what is wrong with it.
    """
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise ValueError(_readable(str(error))) from None
    names = frozenset(program.variables())
    bare = _TEXT.sub('""', text)
    fields = {
        "contact": frozenset(_contact_defaults()),
        "lead": frozenset({"value"}),
        "customer": frozenset({"value"}),
        "event": frozenset(_event_defaults(event_type)),
    }
    for variable, name in _FIELD.findall(bare):
        if name not in fields[variable]:
            known = ", ".join(sorted(fields[variable]))
            kind = f" of {event_type}" if variable == "event" else ""
            raise ValueError(f"{variable}{kind} has no field {name!r}; it has {known}")
    bound = {name for name in names if not re.search(rf"\.\s*(all|exists|exists_one|map|filter)\(\s*{name}\s*,", bare)}
    unknown = sorted(bound - _VARIABLES)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown; a condition sees contact, lead, customer, event and now")
    if not bare.strip().strip('"'):
        raise ValueError('a text is always the same; write a condition such as contact.country == "DE"')
    return _Compiled(text, program, names, _wanted(bare), undecided)


def _wanted(bare: str) -> Mapping[str, frozenset[str]]:
    """The fields of `contact` and `event` that it names, where it names nothing else of them.

    Handing over only these makes a condition ten times as fast: CEL converts all that it is given.
    """
    wanted = {}
    for variable in ("contact", "event"):
        named = [name for found, name in _FIELD.findall(bare) if found == variable]
        if len(named) == len(re.findall(rf"(?<![\w.]){variable}\b", bare)):
            wanted[variable] = frozenset(named)
    return wanted


class _Compiled:
    __slots__ = ("_names", "_program", "_text", "_undecided", "_wanted")

    def __init__(
        self,
        text: str,
        program: cel.Program,
        names: frozenset[str],
        wanted: Mapping[str, frozenset[str]],
        undecided: Undecided,
    ) -> None:
        self._text, self._program, self._undecided = text, program, undecided
        self._names, self._wanted = names, wanted

    def __call__(self, context: Context) -> bool:
        try:
            seen = variables(context, self._names)
            for variable, fields in self._wanted.items():
                if variable in seen:
                    whole = seen[variable]
                    seen[variable] = {name: whole[name] for name in fields}
            found = self._program.execute(seen)
        except Exception:  # noqa: BLE001 - whatever CEL raises, the condition is undecided; the loop must go on
            found = None
        if isinstance(found, bool):
            return found
        self._undecided(self._text)
        return False


def variables(context: Context, names: frozenset[str] = _VARIABLES) -> dict[str, Any]:
    """The context of a condition with these variables."""
    seen: dict[str, Any] = {}
    if "contact" in names:
        seen["contact"] = _contact(context.contact)
    major = 10.0 ** decimals(context.contact.currency)
    if "lead" in names:
        seen["lead"] = {"value": context.values.lead / major}
    if "customer" in names:
        seen["customer"] = {"value": context.values.customer / major}
    if "event" in names:
        event = context.event
        seen["event"] = {
            **_merged(_event_defaults(event.type), event.data),
            "type": event.type,
            "time": event.time,
            "source": event.source,
            "trust": event.trust,
        }
    if "now" in names:
        seen["now"] = context.now
    return seen


def _merged(defaults: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as a condition sees it: money as numbers, what is missing as its empty value."""
    merged = dict(defaults)
    for key, value in data.items():
        known = defaults.get(key)
        if isinstance(value, dict):
            merged[key] = _merged(known if isinstance(known, dict) else {}, value)
        elif isinstance(value, str) and key in _MONEY and is_amount(value):
            merged[key] = float(value)
        elif isinstance(value, list):
            merged[key] = [_merged({}, each) if isinstance(each, dict) else each for each in value]
        elif value is not None:
            merged[key] = value
    return merged


def _contact(contact: ContactView) -> dict[str, Any]:
    seen = dict(_contact_defaults())
    for name in ContactView.__struct_fields__:
        value = getattr(contact, name)
        if value is not None:
            seen[name] = value
    seen["id"] = str(contact.id)
    company = contact.traits.get("company")
    seen["company"] = company if isinstance(company, str) else ""
    return seen


@cache
def _contact_defaults() -> Mapping[str, Any]:
    return {**_empty(inspect.type_info(ContactView), ""), "company": ""}


@cache
def _event_defaults(event_type: str) -> Mapping[str, Any]:
    kind = DATA_TYPES.get(event_type)
    fields = _empty(inspect.type_info(kind), "") if kind is not None else {}
    return {**fields, "type": event_type, "time": None, "source": "", "trust": "trusted"}


def _empty(kind: inspect.Type, name: str) -> Any:  # noqa: PLR0911 - one line per kind reads best
    """The value that stands for "unknown" in a field of this kind."""
    match kind:
        case inspect.StructType(fields=fields):
            return {
                each.name: each.default
                if each.default not in (msgspec.NODEFAULT, None)
                else _empty(each.type, each.name)
                for each in fields
            }
        case inspect.UnionType(types=types):
            return _empty(next(each for each in types if not isinstance(each, inspect.NoneType)), name)
        case inspect.BoolType():
            return False
        case inspect.IntType():
            return 0
        case inspect.FloatType():
            return 0.0
        case inspect.DictType():
            return {}
        case inspect.ListType():
            return []
        case inspect.StrType() | inspect.UUIDType() | inspect.LiteralType():
            return 0.0 if name in _MONEY else ""
    return None


def _readable(error: str) -> str:
    found = re.search(r"ERROR: <input>:\d+:(\d+): (.*)", error)
    return f"not a CEL expression: column {found[1]}: {found[2]}" if found else "not a CEL expression"
