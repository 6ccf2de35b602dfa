"""The bodies that browsers make of a form: url-encoded and multipart. Both bounded in fields, neither trusted."""

from collections.abc import Iterable
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.charsets import TOLD_IN, charset_named, charset_of, letters
from services.ingest.domain.forms.names import MOST_FIELDS

# A repeated field, such as boxes of one name: all values that are not empty.
FormFields: TypeAlias = dict[str, str | list[str]]

_LONGEST_NAME: Final = 200
_TOLD_IN: Final = TOLD_IN.encode()
_AT_ONCE: Final = 256  # bytes
_LONGEST_HEADERS: Final = 4096  # bytes, of one part


def parse_form(body: bytes, content_type: bytes = b"", *, most: int = MOST_FIELDS) -> FormFields:
    """The fields of a url-encoded body, at most so many. Raises Refused."""
    if body.count(b"&") >= most:
        raise Refused([_too_many()])
    parts = [each.partition(b"=") for each in body.split(b"&") if each]
    pairs = [(_unquoted(name), _unquoted(value)) for name, _, value in parts]
    told = charset_named(next((letters(value) for name, value in pairs if name == _TOLD_IN), ""))
    declared = (charset_of(content_type), told)
    return _fields((letters(name, declared), letters(value, declared)) for name, value in pairs)


def _unquoted(text: bytes) -> bytes:
    """Decode percent-escapes in chunks: the library makes two objects of each escape."""
    text = text.replace(b"+", b" ")
    if b"%" not in text:
        return text
    made = bytearray()
    while text:
        end = min(len(text), _AT_ONCE)
        cut = text.rfind(b"%", end - 2, end) if end < len(text) else -1  # an escape is not cut in two
        end = end if cut < 0 else cut
        made += unquote_to_bytes(text[:end])
        text = text[end:]
    return bytes(made)


def _fields(pairs: Iterable[tuple[str, str]]) -> FormFields:
    found: FormFields = {}
    for name, value in pairs:
        _add(found, name, value)
    return found


def parse_multipart(body: bytes, content_type: bytes) -> FormFields:
    """The text fields of a multipart body. Raises Refused: malformed, too many, or a file (they are not taken here).

    An empty file input is ignored.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Refused([Wrong("/", "must name its boundary in the Content-Type")])
    parts = _Parts()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_name,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.finish,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Refused([Wrong("/", "is not a well-formed multipart form")]) from None
    if not parts.finished:
        raise Refused([Wrong("/", "is cut off: the last boundary is missing")])
    if parts.wrong:
        raise Refused(parts.wrong)
    return parts.fields(charset_of(content_type))


def _add(fields: FormFields, name: str, value: str) -> None:
    before = fields.get(name)
    if not before:
        fields[name] = value
    elif value:
        fields[name] = [*(before if isinstance(before, list) else [before]), value]


def _too_many() -> Wrong:
    return Wrong("/", f"must have at most {MOST_FIELDS} fields")


class _Parts:
    """Collects the parser's callbacks, which give positions into chunks."""

    def __init__(self) -> None:
        self.wrong: list[Wrong] = []
        self.finished = False
        self._count = 0
        self._found: list[tuple[str, bytes, str | None]] = []
        self.begin()

    def begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self._data: list[bytes] = []

    def header_name(self, chunk: bytes, start: int, end: int) -> None:
        self._name += chunk[start:end]

    def header_value(self, chunk: bytes, start: int, end: int) -> None:
        self._value += chunk[start:end]

    def header_end(self) -> None:
        if len(self._name) + len(self._value) > _LONGEST_HEADERS or len(self._headers) > 10:  # noqa: PLR2004
            raise Refused([Wrong("/", "has a part with too long headers")])
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def data(self, chunk: bytes, start: int, end: int) -> None:
        self._data.append(chunk[start:end])

    def finish(self) -> None:
        self.finished = True

    def end(self) -> None:
        self._count += 1
        if self._count > MOST_FIELDS:
            raise Refused([_too_many()])
        _kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        data = b"".join(self._data)
        name = letters(options.get(b"name", b""))
        if not name or len(name) > _LONGEST_NAME:
            self.wrong.append(Wrong("/", f"has a part without a name, or with one beyond {_LONGEST_NAME} characters"))
        elif b"filename" in options:
            if data:
                self.wrong.append(Wrong(f"/{name}", "is a file: files are not taken here, send a link to it instead"))
        else:
            self._found.append((name, data, charset_of(self._headers.get(b"content-type", b""))))

    def fields(self, declared: str | None) -> FormFields:
        """All fields, decoded as the parts, the whole and the form itself declare."""
        told = charset_named(next((letters(data) for name, data, _ in self._found if name == TOLD_IN), ""))
        return _fields((name, letters(data, (own, told, declared))) for name, data, own in self._found)
