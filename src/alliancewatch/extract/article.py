"""Marked blocks become the article: fields, ledger, and the repairs made inside kept blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import tzinfo

from alliancewatch.boilerplate import FIELD_KINDS, BoilerplateRules, Line, is_prose
from alliancewatch.dates import parse_date
from alliancewatch.extract.access import assess_access
from alliancewatch.extract.metadata import Metadata, names_of_byline, zone_of
from alliancewatch.extract.plain import form_of
from alliancewatch.model import Article, Paragraph, ParagraphKind, Removal, Repair
from alliancewatch.prose import split_joined

ON_PAGE = "page"
"""Provenance of a field whose value is a whole block of the page."""

EVERYTHING_CUT = "everything-cut"


def make_article(
    lines: Sequence[Line],
    metadata: Metadata,
    rules: BoilerplateRules,
    zone: str | tzinfo | None = None,
    *,
    rescued: tuple[str, ...] = (),
) -> Article:
    """The article whose blocks, marked and in page order, are `lines`; `zone` is for visible dates without offset;
    `rescued` are paragraphs that the page holds only in a script, and then all of its lines are cut.

    Every line ends in exactly one field or in `removed`. If no line were kept, all furniture is kept instead and the
    article is flagged.
    """
    zone = zone_of(metadata.lang, zone)
    for line in lines if rescued else ():
        if line.kind is None:
            line.label("OUTSIDE", "outside-body", "the article's text stands in a script")
    body = [Line(text, form="p") for text in rescued]
    access = assess_access(body or lines, rules, metadata.signs)
    flags: list[str] = []
    if not rescued and not any(line.kind in (None, "DEK") for line in lines):
        restored = [line for line in lines if line.kind not in FIELD_KINDS or line.kind == "BIO"]
        if restored:
            flags.append(EVERYTHING_CUT)
            for line in restored:
                line.kind = None
    title, standfirst, section = None, None, metadata.section
    byline, published_raw, published_at = metadata.byline, metadata.published_raw, metadata.published_at
    provenance = dict(metadata.provenance)
    paragraphs = [Paragraph("p", text) for text in rescued]
    if rescued:
        provenance["paragraphs"] = "json-ld"
    captions: list[str] = []
    bio: list[str] = []
    removed: list[Removal] = []
    repairs: list[Repair] = []
    section_taken = False
    shown_names: list[str] = []
    last_body = max((position for position, line in enumerate(lines) if line.kind is None), default=-1)

    for position, line in enumerate(lines):
        text, kind = line.text, line.kind
        if kind is None:
            pieces = split_joined(text)
            if len(pieces) > 1:
                repairs.append(Repair("joined-sentences", text, "\n\n".join(pieces)))
            form: ParagraphKind = form_of(line, position == last_body)
            paragraphs += [Paragraph(form, piece) for piece in pieces]
        elif kind == "TITLE" and title is None:
            title, provenance["title"] = text, ON_PAGE
        elif kind == "DEK" and standfirst is None:
            standfirst, provenance["standfirst"] = text, ON_PAGE
        elif kind == "KICKER" and not section_taken and (section is None or section.casefold() == text.casefold()):
            section, provenance["section"], section_taken = text, ON_PAGE, True
        elif kind in ("CAPTION", "CREDIT"):
            captions.append(text)
        elif kind == "BIO" and is_prose(text):
            bio.append(text)
        elif kind == "BYLINE" and text in byline and text not in shown_names:
            shown_names.append(text)
        elif kind == "DATE" and published_at is None and (moment := parse_date(text, zone)) is not None:
            published_at, published_raw, provenance["published_at"] = moment, text, ON_PAGE
        elif kind == "DATE" and text == published_raw and provenance.get("published_at") != ON_PAGE:
            provenance["published_at"] = ON_PAGE
        else:
            unnamed = not byline or (metadata.byline_is_outlet and byline == metadata.byline)
            if kind == "BYLINE" and unnamed and len(text) <= 80 and not any(map(str.isdigit, text)):
                byline, provenance["byline"] = names_of_byline(text), "byline"
            removed.append(Removal(text, kind, line.rule, line.evidence))
    if title is None and metadata.titles:
        title, provenance["title"] = metadata.titles[0]
    if shown_names:
        provenance["byline_on_page"] = "\n".join(shown_names)
    return Article(
        url=metadata.url,
        title=title,
        standfirst=standfirst,
        byline=byline,
        published_at=published_at,
        published_raw=published_raw,
        lang=metadata.lang,
        section=section,
        paragraphs=tuple(paragraphs),
        captions=tuple(captions),
        author_bio="\n\n".join(bio) or None,
        access=access,
        removed=tuple(removed),
        repairs=tuple(repairs),
        flags=tuple(flags),
        provenance=tuple(sorted(provenance.items())),
        site_name=metadata.site_name,
    )


def blocks_of(article: Article) -> Counter[str]:
    """The page's text blocks, with how often each stands there, read back from fields and ledger.

    Equal to a count of `page_blocks` of the same page: nothing disappears and nothing is invented. Values that were
    read from metadata are left out.
    """
    provenance = dict(article.provenance)
    blocks: Counter[str] = Counter(removal.text for removal in article.removed)
    for name in ("title", "standfirst", "section"):
        if provenance.get(name) == ON_PAGE:
            blocks[getattr(article, name)] += 1
    if provenance.get("published_at") == ON_PAGE and article.published_raw:
        blocks[article.published_raw] += 1
    for name in provenance.get("byline_on_page", "").split("\n"):
        if name:
            blocks[name] += 1
    blocks.update(article.captions)
    blocks.update(article.author_bio.split("\n\n") if article.author_bio else ())
    if "paragraphs" not in provenance:
        blocks.update(paragraph.text for paragraph in article.paragraphs)
    for repair in article.repairs:
        blocks.subtract(repair.after.split("\n\n"))
        blocks[repair.before] += 1
    return +blocks
