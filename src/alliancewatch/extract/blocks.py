"""A page as its text blocks in reading order, each with the elements around it, from one parse and one walk."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from alliancewatch.boilerplate import BoilerplateRules, Form, Line
from alliancewatch.prose import normal_text

MAX_DEPTH = 100
"""Elements nested deeper than this count as part of the one at this depth."""

_MAX_NAMES = 50_000
_SCAN_FROM_TAGS = 15_000
_PARSE_DEPTH = 600
"""The parser's time grows with the square of the depth, so what is nested deeper loses its tags, never its text."""

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]{0,40})(?=[\s/>])([^<>]*)>")
_LONG_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9:-]{0,40})\s[^<>]{5000,}>")
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_SELF_CLOSING = _VOID | {"p", "li", "dt", "dd", "option", "tr", "td", "th"}
_UNSEEN = frozenset(["script", "style", "noscript", "template", "head", "title", "meta", "link", "base", "iframe"])
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "mark",
        "nobr",
        "q",
        "rb",
        "rp",
        "rt",
        "rtc",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "img",
        "picture",
        "source",
        "output",
        "meter",
        "slot",
        "bsp-link",
    ]
)
_FREE = frozenset(["div", "header", "section", "article", "main", "body", "footer", "aside"])
"""Elements that hold no running text, so that a byline or date in them stands for itself."""
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])
_HIDING = re.compile(r"(?:display\s?:\s?none|visibility\s?:\s?hidden)", re.I)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_NO_WORDS: frozenset[str] = frozenset()
_STRUCTURAL = frozenset(
    ["has", "with", "without", "no", "not", "enabled", "disabled", "layout", "grid", "hide", "show"]
)
"""A name with one of these, such as `has-comments` or `sidebar-layout`, tells of the page and not of the element."""
_TAG_KINDS = {"nav": "NAV", "figcaption": "CAPTION", "caption": "CAPTION", "svg": "SVGTITLE", "button": "NAV"}
_WEAK_TAG_KINDS = {
    "footer": "LEGAL",
    "aside": "SIDEBAR",
    "form": "LOGIN",
    "select": "NAV",
    "dialog": "LOGIN",
    "menu": "NAV",
    "textarea": "LOGIN",
    "video": "AUDIO",
    "audio": "AUDIO",
    "object": "EMBED",
    "address": "LEGAL",
}
"""Kinds by tag where no class or id says better."""
_ROLE_KINDS = {
    "navigation": "NAV",
    "banner": "NAV",
    "contentinfo": "LEGAL",
    "complementary": "SIDEBAR",
    "search": "NAV",
    "dialog": "LOGIN",
    "alertdialog": "LOGIN",
    "menu": "NAV",
    "menubar": "NAV",
    "toolbar": "SHARE",
    "tablist": "NAV",
}


@dataclass(slots=True, eq=False)
class Element:
    """An element that can say something about the text in it."""

    parent: Element | None
    tag: str
    depth: int
    names: str = ""
    """Its classes and id as written."""
    words: frozenset[str] = frozenset()
    """Those words of its names that the rules know; whole names have `=` before them."""
    hint: str | None = None
    """Kind of furniture that its tag or words name."""
    prose: int = 0
    """Weight of the paragraphs in it."""
    paragraphs: int = 0
    itemprop: str = ""

    def ancestors(self) -> Iterator[Element]:
        """The element and everything around it, inside out."""
        element: Element | None = self
        while element is not None:
            yield element
            element = element.parent


@dataclass(slots=True)
class Block(Line):
    """A text block of an HTML page."""

    element: Element = field(default_factory=lambda: Element(None, "", 0))
    tag: str = ""
    links: int = 0
    """Characters of the text that stand in links."""
    bold: bool = False

    @property
    def link_density(self) -> float:
        """Share of the text that stands in links."""
        return self.links / max(1, len(self.text))


@dataclass(slots=True)
class Document:
    """What one walk through a page brought."""

    blocks: list[Block]
    elements: list[Element]
    """Every element noted, parents before children."""
    metas: list[tuple[str, str]]
    """(property, name or itemprop in lower case, content)"""
    links: list[tuple[str, str]]
    """(rel, href)"""
    title: str
    lang: str
    json_ld: list[str]
    times: list[tuple[str, str, int]]
    """(datetime attribute, text, blocks before it)"""
    has_password: bool
    script_chars: int
    frames: int


def _read_names(names: str, rules: BoilerplateRules) -> tuple[frozenset[str], str | None]:
    """The meaningful words of classes and ids, and the kind of furniture that they name."""
    known = rules.names_read.get(names)
    if known is not None:
        return known
    words: set[str] = set()
    for token in names.split():
        words.add(f"={token.lower()}")
        parts = [part.lower() for part in _WORD.findall(token[:80])]
        if not _STRUCTURAL.isdisjoint(parts):
            continue
        words.update(parts)
        words.update(a + b for a, b in itertools.pairwise(parts))
        words.add("".join(parts))
    words &= rules.vocabulary
    kinds = sorted(rules.kind_of_word[word] for word in words if word in rules.kind_of_word)
    known = frozenset(words), kinds[0] if kinds else None
    if len(rules.names_read) >= _MAX_NAMES:
        rules.names_read.clear()
    rules.names_read[names] = known
    return known


def _bounded(html: str) -> str:
    """`html` in a form that the parser reads in linear time."""
    if len(html) > 5000 and _LONG_TAG.search(html):
        html = _LONG_TAG.sub(lambda tag: f"<{tag[1]}>" if len(tag[0].split()) > 2000 else tag[0], html)
    if html.count("<") < _SCAN_FROM_TAGS:
        return html
    pieces: list[str] = []
    depth, start, dropped = 0, 0, False
    for tag in _TAG.finditer(html):
        name = tag[2].lower()
        if name in _SELF_CLOSING or tag[3].endswith("/"):
            continue
        if tag[1]:
            too_deep = depth > _PARSE_DEPTH
            depth = max(0, depth - 1)
        else:
            depth += 1
            too_deep = depth > _PARSE_DEPTH
        if too_deep:
            pieces.append(html[start : tag.start()])
            pieces.append(" ")
            start, dropped = tag.end(), True
    return "".join([*pieces, html[start:]]) if dropped else html


def read_document(html: str, rules: BoilerplateRules) -> Document:
    """Parse and walk a page once."""
    root = LexborHTMLParser(_bounded(html)).root
    document = Document([], [], [], [], "", "", [], [], False, 0, 0)
    if root is not None:
        _Walk(document, rules).run(root)
    return document


class _Walk:
    """The state of one walk: the open elements and the text of the block being read."""

    def __init__(self, document: Document, rules: BoilerplateRules) -> None:
        self.document = document
        self.rules = rules
        self.element = Element(None, "", 0)
        document.elements.append(self.element)
        self.parts: list[str | None] = []
        self.links = 0
        self.in_link = 0
        self.bold = 0
        self.bold_chars = 0
        self.hidden_parts: list[str] = []

    def run(self, root: LexborNode) -> None:
        """Visit every node once, children before siblings, without recursion."""
        stack: list[LexborNode | _Exit] = [root]
        parts = self.parts
        while stack:
            node = stack.pop()
            if isinstance(node, _Exit):
                self._leave(node)
                continue
            following = node.next
            if following is not None:
                stack.append(following)
            tag = node.tag
            if tag == "-text":
                text = node.text_content
                if text:
                    if self.element.hint == "HIDDEN" and parts and self.element.tag in _INLINE:
                        self.hidden_parts.append(text)
                        continue
                    parts.append(text)
                    if self.in_link:
                        self.links += len(text.strip())
                    if self.bold:
                        self.bold_chars += len(text.strip())
                continue
            if tag == "br":
                parts.append(None)
                continue
            if tag is None or tag[0] == "-" or tag == "!doctype":
                continue
            leaving = self._enter(node, tag)
            if leaving is None:
                continue
            child = node.first_child
            stack.append(leaving)
            if child is not None:
                stack.append(child)
        self._flush()

    def _enter(self, node: LexborNode, tag: str) -> _Exit | None:
        """Take note of an element; None when nothing in it is seen on the page."""
        document = self.document
        if tag in _UNSEEN:
            self._note_unseen(node, tag)
            if tag == "head":
                return _Exit(tag, self.element, False)
            return None
        attributes = node.attributes
        names = attributes.get("class")
        identity = attributes.get("id")
        inline = tag in _INLINE or "-" in tag
        hint, words, called = None, _NO_WORDS, ""
        if names or identity:
            called = f"{names or ''} {identity or ''}"
            words, hint = _read_names(called, self.rules)
        itemprop = attributes.get("itemprop") or ""
        if not inline or hint in ("CAPTION", "HIDDEN"):
            hint = (
                _TAG_KINDS.get(tag) or hint or _WEAK_TAG_KINDS.get(tag) or _ROLE_KINDS.get(attributes.get("role") or "")
            )
        if "hidden" in attributes or (attributes.get("aria-hidden") == "true" and tag != "svg"):
            hint = "HIDDEN"
        style = attributes.get("style")
        if style and _HIDING.search(style):
            hint = "HIDDEN"
        if tag == "time":
            document.times.append((attributes.get("datetime") or "", node.text(), len(document.blocks)))
        elif tag == "html":
            document.lang = attributes.get("lang") or attributes.get("xml:lang") or ""
        elif tag == "input":
            document.has_password = document.has_password or attributes.get("type") == "password"
            return None
        elif tag == "iframe":
            document.frames += 1
        if itemprop and attributes.get("content"):
            document.metas.append((itemprop.lower(), attributes.get("content") or ""))
        outer = self.element
        if tag == "time" and hint is None:
            hint = "DATE"
        apart = hint in ("BYLINE", "DATE") and outer.tag in _FREE
        boundary = not inline or hint == "CAPTION" or apart
        if boundary:
            self._flush()
        if (boundary or hint == "HIDDEN" or (inline and "-" in tag)) and outer.depth < MAX_DEPTH:
            self.element = Element(outer, tag, outer.depth + 1, called, words, hint, itemprop=itemprop)
            document.elements.append(self.element)
        leaving = _Exit(tag, outer, boundary)
        if tag == "a":
            self.in_link += 1
        elif tag in ("b", "strong"):
            self.bold += 1
        return leaving

    def _leave(self, leaving: _Exit) -> None:
        if leaving.boundary:
            self._flush()
        if leaving.tag == "a":
            self.in_link -= 1
        elif leaving.tag in ("b", "strong"):
            self.bold -= 1
        if self.hidden_parts and self.element is not leaving.outer:
            self._add("".join(self.hidden_parts), 0, False)
            self.hidden_parts = []
        self.element = leaving.outer

    def _note_unseen(self, node: LexborNode, tag: str) -> None:
        document = self.document
        if tag == "script":
            kind = (node.attributes.get("type") or "").lower()
            content = node.text_content if node.first_child is None else node.first_child.text_content
            if content:
                document.script_chars += len(content)
                if "ld+json" in kind:
                    document.json_ld.append(content)
        elif tag == "meta":
            attributes = node.attributes
            name = attributes.get("property") or attributes.get("name") or attributes.get("itemprop")
            if name and attributes.get("content"):
                document.metas.append((name.lower(), attributes.get("content") or ""))
        elif tag == "link":
            attributes = node.attributes
            if attributes.get("rel") and attributes.get("href"):
                document.links.append(((attributes.get("rel") or "").lower(), attributes.get("href") or ""))
        elif tag == "title" and not document.title:
            document.title = normal_text(node.text())
        elif tag == "iframe":
            document.frames += 1

    def _flush(self) -> None:
        parts = self.parts
        if not parts:
            return
        links, bold_chars = self.links, self.bold_chars
        if None in parts:
            pieces = _split_at_breaks(parts, self.element.tag in _HEADINGS)
            size = sum(len(piece) for piece in pieces) or 1
            for piece in pieces:
                self._add(piece, links * len(piece) // size, bold_chars * 10 > 8 * size)
        else:
            text = "".join(parts)  # type: ignore[arg-type]  # no break among the parts
            if text and not text.isspace():
                self._add(text, links, bold_chars * 10 > 8 * len(text.strip()))
        parts.clear()
        self.links = self.bold_chars = 0

    def _add(self, raw: str, links: int, bold: bool) -> None:
        text = normal_text(raw)
        if not text:
            return
        element = self.element
        tag, form = _form_of(element)
        block = Block(
            text,
            form=form,
            group=len(self.document.blocks),
            element=element,
            tag=tag,
            links=min(links, len(text)),
            bold=bold,
        )
        self.document.blocks.append(block)


@dataclass(slots=True, eq=False)
class _Exit:
    tag: str
    outer: Element
    boundary: bool


def _form_of(element: Element) -> tuple[str, Form]:
    """The tag a block stands in, and the form of paragraph it makes."""
    quoted = False
    near: Element | None = element
    for _ in range(5):
        if near is None:
            break
        tag = near.tag
        if tag in _HEADINGS:
            return tag, "h"
        if tag in ("figcaption", "caption"):
            return tag, "caption"
        if tag == "li":
            return tag, "quote" if quoted else "li"
        if tag == "blockquote":
            quoted = True
        elif tag in ("article", "main", "section", "body", "ul", "ol"):
            break
        near = near.parent
    return element.tag, "quote" if quoted else "p"


def _split_at_breaks(parts: list[str | None], heading: bool) -> list[str]:
    """Text around `br`: two in a row end a block, one does only after the end of a sentence or before a bullet."""
    pieces: list[str] = []
    current: list[str] = []
    breaks = 0
    for part in parts:
        if part is None:
            breaks += 1
            continue
        if part.isspace():
            if current and not breaks:
                current.append(part)
            continue
        if breaks and current:
            before = "".join(current).rstrip()
            ended = before.endswith((".", "。", "！", "？", "!", "?", "”", "」", ":", "：", ")", "）"))
            listed = part.lstrip(" \t\r\n").startswith(("\u3000", "•", "・", "■", "▼", "○", "●", "◆", "-", "–", "*"))
            if not heading and (breaks > 1 or ended or listed):
                pieces.append(before)
                current = []
            else:
                joined_cjk = before and ord(before[-1]) > 0x2E80 and ord(part.lstrip()[0]) > 0x2E80
                current = [before, "" if joined_cjk else " "]
                part = part.lstrip() if joined_cjk else part
        breaks = 0
        current.append(part)
    if current:
        pieces.append("".join(current))
    return pieces


def weigh(document: Document) -> int:
    """Add up the paragraphs in every element, and on the whole page."""
    for block in document.blocks:
        if block.links * 2 < len(block.text) and block.form != "h" and block.is_prose:
            block.element.prose += block.size
            block.element.paragraphs += 1
    for element in reversed(document.elements):
        if element.parent is not None:
            element.parent.prose += element.prose
            element.parent.paragraphs += element.paragraphs
    return document.elements[0].prose
