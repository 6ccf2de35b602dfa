"""Values that are wrong wherever a text, an address, a number, an amount, a currency or a time is wanted."""

from typing import Any, Final

from tests.malformed.case import EMAIL, MARKER

TEXTS: Final[dict[str, Any]] = {
    "true": True,
    "list": [MARKER],
    "object": {"a": MARKER},
    "nul": f"{MARKER}\0",
    "too-long": MARKER * 1000,
}
LONG_OR_NESTED: Final = {name: value for name, value in TEXTS.items() if name != "true"}
OBJECTS: Final[dict[str, Any]] = {"list": [MARKER], "text": MARKER, "number": 5, "true": True, "empty-list": []}
LISTS: Final[dict[str, Any]] = {"object": {"a": MARKER}, "text": MARKER, "number": 5, "true": True}
FLAGS: Final[dict[str, Any]] = {"text": MARKER, "yes": "yes", "number": 1, "list": [], "object": {}}
EMAILS: Final[dict[str, Any]] = {
    **TEXTS,
    "word": MARKER,
    "at": "@",
    "no-domain": f"{MARKER}@",
    "no-name": f"@{MARKER}.example.com",
    "no-dot": f"a@{MARKER}",
    "localhost": f"{MARKER}@localhost",
    "two-ats": f"{MARKER}@@example.com",
    "space": f"{MARKER} b@example.com",
    "space-in-domain": f"{MARKER}@exam ple.com",
    "two-dots": f"{MARKER}@example..com",
    "dot-first": f".{EMAIL}",
    "dot-last": f"{MARKER}.@example.com",
    "dots-inside": f"{MARKER}..b@example.com",
    "hyphen-first": f"{MARKER}@-example.com",
    "angle-brackets": f"<{EMAIL}>",
    "display-name": f"Ada <{EMAIL}>",
    "ip-literal": f"{MARKER}@[127.0.0.1]",
    "two-addresses": f"{EMAIL}, b@example.com",
    "header-injection": f"{EMAIL}\r\nBcc: b@example.com",
    "long-domain": f"a@{MARKER}{'x.' * 150}com",
    "long-label": f"a@{MARKER}{'x' * 64}.com",
    "punycode-of-nothing": f"{MARKER}@xn--.com",
    "punycode-that-is-none": f"a@xn--{MARKER}-\x7f.com",
    "mailto": f"mailto:{EMAIL}?subject=x",
    "heart-in-domain": f"a@{MARKER}❤.com",
    "direction-override": f"\u202e{EMAIL}",
    "direction-override-in-domain": f"a@\u202e{MARKER}.com",
    "combining-mark-first": f"\u0301{EMAIL}",
    "joiner-in-domain": f"a@{MARKER}\u200d.com",
    "delete": f"{MARKER}\x7f@example.com",
    "number": 5,
}
PHONES: Final[dict[str, Any]] = {
    **TEXTS,
    "words": f"call {MARKER}",
    "plus": "+",
    "no-country": "0301234567",
    "no-such-country": "+999123456789",
    "short": "+4412",
    "long": "+44" + "1" * 40,
    "number": 441632960961,
    "float": 4.4e300,
    "only-an-extension": ";ext=5",
}
AMOUNTS: Final[dict[str, Any]] = {
    "true": True,
    "list": [MARKER],
    "object": {"a": MARKER},
    "word": MARKER,
    "empty": "",
    "nul": "1\0",
    "thousands": "1,000.00",
    "comma": "1000,00",
    "space": "1 000",
    "underscore": "1_000",
    "exponent": "1e3",
    "hexadecimal": "0x10",
    "nan": "NaN",
    "infinity": "Infinity",
    "two-signs": "--1",
    "plus": "+1",
    "point-last": "1.",
    "point-first": ".5",
    "seven-decimals": "1.1234567",
    "thirteen-digits": "1" * 13,
    "thirteen-digits-as-a-number": 10**12,
    "huge-integer": 10**60,
    "huge-float": 1e300,
    "arabic-digits": "١٢٣",
    "with-currency": "12.00 EUR",
}
CURRENCIES: Final[dict[str, Any]] = {
    **TEXTS,
    "word": "euro",
    "two-letters": "EU",
    "sign": "€",
    "number": 978,
    "full-width": "\uff25\uff35\uff32",
    "upper-case-is-ascii": "ﬀa",
    "dotless-i": "\u0131NR",
    "space": "E R",
}
TIMES: Final[dict[str, Any]] = {
    **TEXTS,
    "word": f"tomorrow {MARKER}",
    "unix": 1767261600,
    "unix-as-text": "1767261600",
    "float": 1.5,
    "date": "2026-01-01",
    "clock": "10:00:00Z",
    "no-zone": "2026-01-01T10:00:00",
    "year-0": "0000-01-01T00:00:00Z",
    "year-10000": "10000-01-01T00:00:00Z",
    "negative-year": "-2026-01-01T00:00:00Z",
    "leap-second": "2016-12-31T23:59:60Z",
    "february-30": "2026-02-30T00:00:00Z",
    "month-13": "2026-13-01T00:00:00Z",
    "hour-25": "2026-01-01T25:00:00Z",
    "zone-25": "2026-01-01T10:00:00+25:00",
    "zone-by-name": "2026-01-01T10:00:00 Europe/Berlin",
    "before-year-1-in-utc": "0001-01-01T00:00:00+14:00",
    "after-year-9999-in-utc": "9999-12-31T23:59:59-14:00",
    "week": "2026-W01-1T10:00:00Z",
    "full-width": "\uff12\uff10\uff12\uff16-01-01T10:00:00Z",
    "twice": "2026-01-01T10:00:00Z2026-01-01T10:00:00Z",
}
IDS: Final[dict[str, Any]] = {**TEXTS, "257-characters": "x" * 257}


def nested(depth: int) -> Any:
    """Objects in objects."""
    value: Any = MARKER
    for _ in range(depth):
        value = {"a": value}
    return value


FREE: Final[dict[str, Any]] = {
    **OBJECTS,
    "nul": {"a": f"{MARKER}\0"},
    "nul-in-a-name": {"a\0": MARKER},
    "nul-deep": {"a": [{"b": ["\0"]}]},
    "nul-in-a-deep-name": {"a": [{"\0": 1}]},
    "integer-beyond-64-bits": {"a": 2**63},
    "integer-far-beyond-64-bits": {"a": [10**60]},
    "negative-integer-beyond-64-bits": {"a": -(2**63) - 1},
    "nested-20": nested(20),
    "nested-500": nested(500),
    "1000-values": {f"f{number}": number for number in range(1000)},
    "1000-in-a-list": {"a": list(range(1000))},
}
