"""XML from anywhere made safe and, where it can be, well-formed before a parser sees it.

A document type is cut off whole, so no entity can be declared: none can read a file, call a server or multiply.
Decoding comes first, so a declaration cannot hide in UTF-16 either.
"""

from __future__ import annotations

import codecs
import html.entities
import re
import sys
from dataclasses import dataclass
from xml.parsers import expat

from alliancewatch.codings import gunzip
from alliancewatch.errors import UnreadableError
from alliancewatch.extract.decode import codec_of, decode

MAX_BYTES = 32 * 1024 * 1024
"""Of a document that are read."""
MAX_DEPTH = 250
"""Elements within each other; feeds nest about ten, markup in an item some dozens."""
_MAX_ATTRIBUTES = 250
"""Of one element."""

_ROOT = re.compile(r"<((?:[A-Za-z_][\w.-]*:)?(?:rss|rdf|feed|channel|urlset|sitemapindex))(?=[\s/>])", re.IGNORECASE)
_HTML = re.compile(r"<html[\s>]", re.IGNORECASE)
_HTML_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_-]{2,40})[\"']")
_EBCDIC_XML = b"\x4c\x6f\xa7\x94"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_AMPERSAND = re.compile(r"&(?:(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)?")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


@dataclass(frozen=True, slots=True)
class XmlText:
    """A document from its root element on, without declaration and document type."""

    root: str | None
    """Name of the root element as written; None when there is none of a feed or sitemap."""
    text: str
    problems: tuple[str, ...]
    is_html: bool = False


class TooDeepError(UnreadableError):
    """Elements nested deeper, or with more attributes, than any feed's: parsers take quadratic time on such."""


def read_xml(body: bytes, charset: str | None) -> XmlText:
    """The document in `body`, a gzip file or not, of which a header declared `charset`. Never raises."""
    problems: list[str] = []
    if body.startswith(b"\x1f\x8b"):
        try:
            body = gunzip(body, MAX_BYTES, truncate=True)
        except UnreadableError as error:
            return XmlText(None, "", (str(error),))
    if len(body) > MAX_BYTES:
        problems.append(f"{len(body):,} bytes: only the first {MAX_BYTES:,} are read")
        body = body[:MAX_BYTES]
    code_page = _code_page(body)
    text = body.decode(code_page, "replace") if code_page else decode(body, charset).text
    root = _ROOT.search(text)
    if root is None or _HTML.search(text, 0, root.start()):
        return XmlText(None, text, tuple(problems), is_html=_HTML_PAGE.search(text[:4096]) is not None)
    before = text[: root.start()]
    if "<!ENTITY" in before.upper():
        problems.append("entity declarations are not read")
    elif before.strip() and not before.lstrip("\ufeff \t\r\n").startswith(("<?xml", "<!", "<?")):
        problems.append("something stands before the document")
    return XmlText(root[1], text[root.start() :], tuple(problems))


def _code_page(body: bytes) -> str | None:
    """Python's codec when the XML declaration names a code page that is no encoding of the web, such as IBM's."""
    declaration = body[:400].decode("cp037").encode("utf-8") if body.startswith(_EBCDIC_XML) else body[:400]
    match = _ENCODING.match(declaration)
    if match is None or codec_of(match[1].decode("ascii")) is not None:
        return None
    try:
        codec = codecs.lookup(match[1].decode("ascii"))
    except LookupError:
        return None
    # Only a table from bytes to characters: no codec that computes, such as punycode.
    module = sys.modules.get(getattr(codec.incrementaldecoder, "__module__", ""))
    return codec.name if hasattr(module, "decoding_table") else None


def error_offset(text: str) -> int | None:
    """Byte at which `text`, as UTF-8, stops being well-formed; None when it is. Raises `TooDeepError`."""
    parser = expat.ParserCreate()
    depth = 0

    def start(_name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if len(attributes) > _MAX_ATTRIBUTES:
            raise TooDeepError(f"an element has more than {_MAX_ATTRIBUTES} attributes")
        if depth > MAX_DEPTH:
            raise TooDeepError(f"elements are nested deeper than {MAX_DEPTH}")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError:
        return parser.ErrorByteIndex
    return None


def repaired(text: str) -> str:
    """`text` with bare ampersands escaped, HTML's entities resolved and forbidden characters left out."""
    pieces: list[str] = []
    position = 0
    while (start := text.find("<![CDATA[", position)) != -1:
        end = text.find("]]>", start)
        if end == -1:
            break
        pieces += [_AMPERSAND.sub(_reference, text[position:start]), text[start : end + 3]]
        position = end + 3
    pieces.append(_AMPERSAND.sub(_reference, text[position:]))
    return _NOT_XML.sub("", "".join(pieces))


def _reference(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return "&amp;"
    if name in _XML_ENTITIES:
        return match[0]
    if name.startswith("#"):
        number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        is_allowed = (
            number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0xFFFE or 0xFFFF < number < 0x110000
        )
        return match[0] if is_allowed else ""
    return html.entities.html5.get(f"{name};", f"&amp;{name};")
