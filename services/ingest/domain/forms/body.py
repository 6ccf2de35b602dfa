"""The bodies that browsers make of a form: url-encoded and multipart. Both bounded in fields, neither trusted."""

from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.names import MOST_FIELDS

# A field that was sent several times, as boxes of one name are: all that is not empty.
FormFields: TypeAlias = dict[str, str | list[str]]

_LONGEST_NAME: Final = 200
_LONGEST_HEADERS: Final = 4096  # bytes, of one part


def parse_form(body: bytes) -> FormFields:
    """The fields of a url-encoded body. Raises Refused."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            errors="strict",
        )
    except UnicodeDecodeError:
        raise Refused([Wrong("/", "must be UTF-8")]) from None
    except ValueError:
        raise Refused([_too_many()]) from None
    found: FormFields = {}
    for name, value in pairs:
        _add(found, name, value)
    return found


def parse_multipart(body: bytes, content_type: bytes) -> FormFields:
    """The text fields of a multipart body. Raises Refused: malformed, too many, or a file (they are not taken here).

    A file input that was left empty is nothing.
    """
    _kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
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
    return parts.fields


def _add(fields: FormFields, name: str, value: str) -> None:
    before = fields.get(name)
    if not before:
        fields[name] = value
    elif value:
        fields[name] = [*(before if isinstance(before, list) else [before]), value]


def _too_many() -> Wrong:
    return Wrong("/", f"must have at most {MOST_FIELDS} fields")


class _Parts:
    """Collects what the parser calls out. Positions into chunks are the parser's own convention."""

    def __init__(self) -> None:
        self.fields: FormFields = {}
        self.wrong: list[Wrong] = []
        self.finished = False
        self._count = 0
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
        try:
            name = options.get(b"name", b"").decode("utf-8")
            value = data.decode("utf-8") if b"filename" not in options else ""
        except UnicodeDecodeError:
            self.wrong.append(Wrong("/", "must be UTF-8"))
            return
        if not name or len(name) > _LONGEST_NAME:
            self.wrong.append(Wrong("/", f"has a part without a name, or with one beyond {_LONGEST_NAME} characters"))
        elif b"filename" in options:
            if data:
                self.wrong.append(Wrong(f"/{name}", "is a file: files are not taken here, send a link to it instead"))
        else:
            _add(self.fields, name, value)
