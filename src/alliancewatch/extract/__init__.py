"""A page as bytes becomes the article an editor would keep, with a ledger of every block cut."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import tzinfo

from alliancewatch.boilerplate import BoilerplateRules, Line, default_rules
from alliancewatch.extract.article import blocks_of, make_article
from alliancewatch.extract.blocks import Document, read_document
from alliancewatch.extract.decode import Decoded, decode
from alliancewatch.extract.html import mark_page, rescued_body, section_of
from alliancewatch.extract.judge import Judgement, Verdict, judge_page
from alliancewatch.extract.metadata import Metadata, language_of, read_metadata
from alliancewatch.extract.plain import mark_text, read_lines
from alliancewatch.model import Access, AccessStatus, Article, Removal

EXTRACTOR_VERSION = "5"
"""Changes whenever the same bytes and rules could give another article."""

__all__ = [
    "EXTRACTOR_VERSION",
    "Decoded",
    "Page",
    "Verdict",
    "blocks_of",
    "clean_page",
    "decode",
    "extract_article",
    "extract_text",
    "page_blocks",
]

_DOCUMENT_TAG = re.compile(r"<(?:!doctype\s|html[\s>]|head[\s>]|body[\s>])", re.I)
_ANY_TAG = re.compile(
    r"</?(?:p|div|article|section|h[1-6]|a|span|li|ul|td|table|main|b|i|em|strong|script|style|font|form|br)"
    r"(?:\s[^<>]{0,2000})?/?>",
    re.I,
)
_DATA_ROOT = re.compile(
    r"\s*(?:<\?.{0,500}?\?>\s*|<!--.{0,2000}?-->\s*)*<(rss|feed|rdf:RDF|urlset|sitemapindex|opml)\b", re.DOTALL
)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BINARY_STARTS = (
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"RIFF",
    b"OggS",
    b"\x7fELF",
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page turned out to be, with the article as far as there is one."""

    article: Article
    verdict: Verdict
    reason: str


def clean_page(
    body: bytes,
    url: str | None = None,
    *,
    declared_charset: str | None = None,
    zone: str | tzinfo | None = None,
    rules: BoilerplateRules | None = None,
) -> Page:
    """The article in `body` (HTML, or text as scraped: told apart by content), and whether the page is one.

    `zone` is where the outlet's clocks stand, for dates without an offset. Never raises, whatever the bytes.
    """
    rules = rules or default_rules()
    decoded = decode(body, declared_charset)
    if not decoded.readable or body.startswith(_BINARY_STARTS) or _is_binary(decoded.text):
        return _unreadable(decoded, url)
    clean = _clean_html if is_html(decoded.text) else _clean_text
    page = clean(decoded.text, url, zone, rules)
    root = _DATA_ROOT.match(decoded.text)
    return _page(page.article, Judgement("not_article", f"feed: its root is <{root[1]}>")) if root else page


def extract_article(html: bytes, url: str | None = None) -> Article:
    """The article in a page, with a record of every block cut. Pure, deterministic, never raises."""
    return clean_page(html, url).article


def extract_text(html: bytes, url: str | None = None) -> str:
    """The article's text: standfirst, subheads and paragraphs, joined by blank lines; empty when there is none."""
    return extract_article(html, url).text


def page_blocks(
    body: bytes, *, declared_charset: str | None = None, rules: BoilerplateRules | None = None
) -> tuple[str, ...]:
    """Every text block of a page in order, as `blocks_of` counts them. What stands only in scripts is none."""
    decoded = decode(body, declared_charset)
    if (
        decoded.readable
        and not body.startswith(_BINARY_STARTS)
        and not _is_binary(decoded.text)
        and is_html(decoded.text)
    ):
        return tuple(block.text for block in read_document(decoded.text, rules or default_rules()).blocks)
    return tuple(line.text for line in read_lines(decoded.text))


def is_html(text: str) -> bool:
    """Whether a text is a page with markup rather than text as scraped."""
    head = text[:65_536]
    if _DOCUMENT_TAG.search(head):
        return True
    tags = _ANY_TAG.finditer(head)
    if next(tags, None) is not None and next(tags, None) is not None:
        return True
    return head.count("<") > 1000


def _clean_html(text: str, url: str | None, zone: str | tzinfo | None, rules: BoilerplateRules) -> Page:
    document = read_document(text, rules)
    metadata = read_metadata(document, url, zone)
    mark_page(document, metadata, rules)
    if metadata.section is None and not any(block.kind == "KICKER" for block in document.blocks):
        _read_breadcrumbs(document, metadata)
    if rescued := rescued_body(document, metadata):
        article = make_article(document.blocks, metadata, rules, zone, rescued=rescued)
        return Page(article, "article", f"article: {len(rescued)} paragraphs, from the page's articleBody")
    judgement = judge_page(document, metadata, document.blocks, url)
    return _page(make_article(document.blocks, metadata, rules, zone), judgement)


def _read_breadcrumbs(document: Document, metadata: Metadata) -> None:
    section = section_of(document, {text for text, _ in metadata.titles})
    if section is not None:
        metadata.section, metadata.provenance["section"] = section, "breadcrumb"


def _clean_text(text: str, url: str | None, zone: str | tzinfo | None, rules: BoilerplateRules) -> Page:
    lines = read_lines(text)
    mark_text(lines, rules)
    metadata = Metadata(url=url, lang=language_of(" ".join(line.text for line in lines if line.kind is None)))
    judgement = judge_page(Document([], [], [], [], "", "", [], [], False, 0, 0), metadata, lines, None)
    return _page(make_article(lines, metadata, rules, zone), judgement)


def _page(article: Article, judgement: Judgement) -> Page:
    if judgement.verdict == "article" and article.access.status is AccessStatus.BLOCKED:
        # What holds no article text is never stored as an article (an Atom document read as a page, say).
        judgement = Judgement("not_article", f"no article text: {'; '.join(article.access.evidence)}")
    status = {"not_article": AccessStatus.NOT_ARTICLE, "walled": AccessStatus.BLOCKED}.get(judgement.verdict)
    if status is not None:
        article = replace(article, access=replace(article.access, status=status, evidence=(judgement.reason,)))
    return Page(article, judgement.verdict, judgement.reason)


def _is_binary(text: str) -> bool:
    sample = text[:65_536]
    return len(_CONTROLS.findall(sample)) * 50 > len(sample)


def _unreadable(decoded: Decoded, url: str | None) -> Page:
    """Bytes that are no text: everything in the ledger."""
    reason = "undecodable: the bytes are no text in any encoding of the web"
    lines: list[Line] = read_lines(decoded.text)
    for line in lines:
        line.label("UNREADABLE", "undecodable", f"read as {decoded.charset}, {decoded.replaced} characters lost")
    article = make_article((), Metadata(url=url), default_rules())
    removed = tuple(Removal(line.text, line.kind or "UNREADABLE", line.rule, line.evidence) for line in lines)
    article = replace(article, removed=removed, access=Access(AccessStatus.BLOCKED, (reason,)))
    return Page(article, "unreadable", reason)
