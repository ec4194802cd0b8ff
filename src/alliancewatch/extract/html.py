"""Which blocks of an HTML page are its article."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from alliancewatch.boilerplate import BoilerplateRules, fold, mark_boilerplate, mark_rules, match_rule
from alliancewatch.extract.block_model import overrule
from alliancewatch.extract.blocks import Block, Document, Element, weigh
from alliancewatch.extract.metadata import Metadata, looks_like_byline, looks_like_date, title_parts, unescape
from alliancewatch.prose import ends_sentence, is_closed, normal_text, weight, word_count

_CRUMBS = frozenset(["breadcrumb", "breadcrumbs", "crumbs", "topicpath", "pankuzu"])
_CRUMB_MARK = re.compile(r"\s*[>›»＞/|]\s*")
_NO_SECTION = frozenset(
    ["home", "top", "トップ", "ホーム", "記事", "詳細", "ニュース", "news", "トップページ", "article"]
)
_NEVER_PROSE = frozenset(
    ["SHARE", "NAV", "DATE", "BYLINE", "TAGS", "LOGIN", "AUDIO", "GALLERY", "SUBSCRIBE", "EMBED", "HIDDEN"]
)
_NEVER_MOST = frozenset(["DATE", "BYLINE", "TAGS", "RANKING"])
_LEAVES = frozenset(["p", "h2", "h3", "li", "ul", "ol", "span", "blockquote"])


def mark_page(document: Document, metadata: Metadata, rules: BoilerplateRules) -> None:
    """Label title, standfirst, captions and all furniture among the page's blocks; the rest is the body."""
    mark_by_rules(document, metadata, rules)
    overrule(document)
    for block in document.blocks:
        if block.kind is None and block.form == "p" and block.bold and word_count(block.text) <= 12:
            block.form = "p" if ends_sentence(block.text) else "h"


def mark_by_rules(document: Document, metadata: Metadata, rules: BoilerplateRules) -> None:
    """The same as far as rules go."""
    blocks = document.blocks
    total = weigh(document)
    title = _mark_title(blocks, metadata)
    _void_hints(document, title, total)
    _hint_teasers(document, total)
    if title is not None:
        _mark_kicker(blocks, title, rules)
        _mark_standfirst(blocks, title, rules)
    _mark_contexts(document)
    core = _find_core(document, title, rules)
    if core is not None:
        _mark_outside(document, core, title)
    _mark_inside(blocks, metadata, rules)
    mark_boilerplate(blocks, rules)
    _trim(blocks)


def section_of(document: Document, titles: set[str]) -> str | None:
    """The last place that the page's breadcrumbs name, the article and the front page left out."""
    crumbs: list[str] = []
    for block in document.blocks:
        if any(element.words & _CRUMBS for element in list(block.element.ancestors())[:4]):
            crumbs += [part.strip() for part in _CRUMB_MARK.split(block.text)]
    named = [crumb for crumb in crumbs if crumb and fold(crumb) not in _NO_SECTION and crumb not in titles]
    return named[-1] if named and word_count(named[-1]) <= 5 else None


def rescued_body(document: Document, metadata: Metadata) -> tuple[str, ...]:
    """Paragraphs of `articleBody` for a page whose text stands only in a script, as for script-built pages.

    Never where the page shows an opening or says that it is not free: what an outlet withholds is not taken.
    """
    shown = sum(block.size for block in document.blocks if block.kind is None and block.is_prose)
    body = metadata.body or ""
    if shown or weight(body) < 400 or metadata.signs.free is False or metadata.signs.tier == "locked":
        return ()
    return tuple(text for line in unescape(body).splitlines() if (text := normal_text(line)))


def _within(document: Document, outer: Element) -> set[int]:
    """Identities of `outer` and every element in it."""
    inside = {id(outer)}
    for element in document.elements:
        if id(element.parent) in inside:
            inside.add(id(element))
    return inside


def _hints(document: Document) -> dict[int, Element | None]:
    """For each element the nearest one around it, or itself, that has a hint."""
    nearest: dict[int, Element | None] = {id(None): None}
    for element in document.elements:
        nearest[id(element)] = element if element.hint is not None else nearest[id(element.parent)]
    return nearest


def _void_hints(document: Document, title: Block | None, total: int) -> None:
    """Take back the hints of elements that must be around or be the article itself."""
    for element in title.element.ancestors() if title is not None else ():
        if element.paragraphs and element.hint != "HIDDEN":
            element.hint = None
    nearest = _hints(document)
    unhinted = sum(block.size for block in document.blocks if block.is_prose and nearest[id(block.element)] is None)
    alike: dict[tuple[str, str], list[Element]] = {}
    for element in document.elements:
        if element.hint is None:
            continue
        if element.tag in ("body", "html", "main", "article") and element.hint != "HIDDEN":
            element.hint = None
        else:
            alike.setdefault((element.hint, element.tag), []).append(element)
    buried = unhinted < min(1500, total * 0.3)
    for (hint, tag), group in alike.items():
        # Paragraphs may carry the hint each for itself, so what is alike is weighed together.
        together = tag in _LEAVES or hint == "HIDDEN"
        prose = sum(element.prose for element in group)
        paragraphs = sum(element.paragraphs for element in group)
        for element in group:
            share = (prose if together else element.prose) / max(1, total)
            count = paragraphs if together else element.paragraphs
            whole = share > 0.7 and hint not in ("COMMENTS", "COOKIE", "RELATED")
            # Parts of a guide may each be named after their date or rank.
            whole = whole or (hint in _NEVER_MOST and prose * 2 > total)
            if whole or (hint in _NEVER_PROSE and count >= 3 and share > 0.3) or (share > 0.5 and buried):
                element.hint = None


def _hint_teasers(document: Document, total: int) -> None:
    """Hint that articles inside an article, or many small ones side by side, are teasers of others."""
    articles = [element for element in document.elements if element.tag == "article"]
    siblings = Counter(id(article.parent) for article in articles)
    for article in articles:
        nested = any(outer.tag == "article" for outer in article.ancestors() if outer is not article)
        crowd = siblings[id(article.parent)] >= 3 and article.paragraphs <= 2
        if article.hint is None and ((nested and article.prose * 10 < total * 4) or crowd):
            article.hint = "RELATED"


def _mark_kicker(blocks: Sequence[Block], title: Block, rules: BoilerplateRules) -> None:
    """Label the short block beside the headline that is named as its section, or is a link directly beside it."""
    frame = {id(element) for element in list(title.element.ancestors())[:4]}
    for block in blocks[max(0, title.group - 4) : title.group + 3]:
        near = list(block.element.ancestors())[:2]
        if block.kind is not None or word_count(block.text) > 4 or match_rule(block.text, "head", rules):
            continue
        named = any(element.words & rules.kicker_words for element in near)
        beside = abs(block.group - title.group) == 1 and any(id(element) in frame for element in near)
        if named or (beside and block.link_density > 0.9 and all(element.hint is None for element in near)):
            block.label("KICKER", "section-label", "named so or a link, beside the headline")
            return


def _mark_standfirst(blocks: Sequence[Block], title: Block, rules: BoilerplateRules) -> None:
    """Label the block below the headline that is named as a standfirst, or stands there apart from the text."""
    below = blocks[title.group + 1 : title.group + 16]
    for position, block in enumerate(below):
        if block.kind is not None or word_count(block.text) < 5 or block.link_density > 0.3 or block.form == "caption":
            continue
        near = list(block.element.ancestors())[:3]
        if any(element.hint not in (None, "RELATED", "DATE") for element in near):
            continue
        if looks_like_date(block.text) or looks_like_byline(block.text) or match_rule(block.text, "head", rules):
            continue
        evidence = None
        if any(element.words & rules.standfirst_words for element in near):
            evidence = "named so, below the headline"
        elif block.form == "h" and word_count(block.text) >= 9 and position < 4:
            evidence = f"a sentence in <{block.tag}> below the headline"
        elif position < 2 and block.form == "p" and word_count(block.text) >= 6 and len(block.text) < 400:
            text = next((b for b in blocks[block.group + 1 :] if b.form == "p" and b.is_prose), None)
            frame = block.element.parent
            around = [any(element is frame for element in b.element.ancestors()) for b in (title, text) if b]
            if around == [True, False]:
                evidence = "directly below the headline and apart from the text"
        if evidence is not None:
            block.label("DEK", "standfirst", evidence)
            return


def _mark_contexts(document: Document) -> None:
    """Label blocks by the elements around them."""
    nearest = _hints(document)
    for block in document.blocks:
        element = nearest[id(block.element)]
        if block.kind is None and element is not None and element.hint is not None:
            names = " ".join(element.names.split())[:60]
            block.label(element.hint, "container", f"<{element.tag}> named {names}" if names else f"<{element.tag}>")


def _mark_title(blocks: Sequence[Block], metadata: Metadata) -> Block | None:
    """Find the block that is the headline: a heading that the metadata knows, else the page's only first heading."""
    known = {fold(text) for text, _ in metadata.titles}
    known |= {
        fold(part)
        for text, where in metadata.titles
        if where != "json-ld"
        for part in title_parts(text)
        if len(part) > 15
    }
    headings = [block for block in blocks if block.form == "h"]
    match = next((block for block in headings if fold(block.text) in known and block.tag == "h1"), None)
    match = match or next((block for block in headings if fold(block.text) in known), None)
    if match is None:
        first = [block for block in headings if block.tag == "h1"]
        if len(first) == 1 and word_count(first[0].text) >= 3:
            match = first[0]
    if match is not None:
        match.label("TITLE", "headline", f"<{match.tag}>")
    return match


def _find_core(document: Document, title: Block | None, rules: BoilerplateRules) -> Element | None:
    """The innermost element that holds four fifths of the paragraphs around the headline, or of the whole page."""
    open_blocks = [b for b in document.blocks if b.kind is None and b.form != "h" and b.link_density < 0.5]
    good = [block for block in open_blocks if block.is_prose]
    good = good or [block for block in open_blocks if ends_sentence(block.text)] or open_blocks
    if not good:
        return None
    mass = {id(element): 0 for element in document.elements}
    for block in good:
        mass[id(block.element)] += block.size
    for element in reversed(document.elements):
        if element.parent is not None:
            mass[id(element.parent)] += mass[id(element)]
    frames = [element for element in document.elements if element.tag == "article" or _is_body(element, rules)]
    if title is not None:
        frames += [element for element in title.element.ancestors() if element.paragraphs][:1]
    total = mass[id(document.elements[0])]
    frame = max(
        (element for element in frames if mass[id(element)] * 10 >= total * 4),
        key=lambda element: (mass[id(element)] * 10 >= total * 6, element.depth),
        default=document.elements[0],
    )
    total = mass[id(frame)]
    inside = _within(document, frame)
    core = frame
    for element in document.elements:
        if element.depth > core.depth and mass[id(element)] * 10 >= total * 8 and id(element) in inside:
            core = element
    while core.parent is not None and core.tag in _LEAVES:
        core = core.parent
    return core


def _is_body(element: Element, rules: BoilerplateRules) -> bool:
    return element.itemprop == "articleBody" or not rules.body_words.isdisjoint(element.words)


def _outer_of(core: Element, title: Block | None) -> Element:
    """The element around `core` in which other parts of the body may stand: up to the headline or the `article`."""
    around_title = {id(element) for element in title.element.ancestors()} if title is not None else set()
    outer = core
    for element in core.ancestors():
        if element.tag in ("body", "html", ""):
            break
        outer = element
        if id(element) in around_title or element.tag == "article":
            break
    return outer


def _mark_outside(document: Document, core: Element, title: Block | None) -> None:
    """Label what stands outside the core; around it, paragraphs beyond doubt stay."""
    in_core = _within(document, core)
    in_outer = _within(document, _outer_of(core, title))
    for block in document.blocks:
        if block.kind is not None or id(block.element) in in_core:
            continue
        if id(block.element) not in in_outer:
            block.label("OUTSIDE", "outside-body", "stands outside the element that holds the article")
        elif block.is_prose and block.form in ("p", "quote") and block.link_density < 0.3:
            continue
        elif looks_like_date(block.text):
            block.label("DATE", "date-form", "is a date, beside the article's text")
        elif looks_like_byline(block.text):
            block.label("BYLINE", "byline-form", "begins like a byline, beside the article's text")
        else:
            block.label("OUTSIDE", "beside-body", "stands beside the article's text and is no paragraph")


def _mark_inside(blocks: Sequence[Block], metadata: Metadata, rules: BoilerplateRules) -> None:
    """Label captions, bylines, dates and link lists inside the region."""
    titles = {fold(text) for text, _ in metadata.titles}
    for block in blocks:
        if block.kind is not None:
            continue
        if block.form == "caption":
            block.label("CAPTION", "figcaption", f"<{block.tag}>")
        elif (
            block.form != "quote"
            and word_count(block.text) < 60
            and any(e.tag == "figure" for e in list(block.element.ancestors())[:4])
        ):
            block.label("CAPTION", "figure", "stands in a <figure>")
        elif fold(block.text) in titles:
            block.label("DUP", "repeat", "repeats the headline")
        elif (block.link_density > 0.6 and not ends_sentence(block.text)) or (
            block.link_density > 0.9 and block.form == "li"
        ):
            found = match_rule(block.text, "tail", rules)
            if found is not None:
                block.label(found[0].kind, found[0].name, found[1])
            else:
                block.label("RELATED", "links", f"{block.link_density:.0%} of it is links")
    body = [position for position, block in enumerate(blocks) if block.kind is None]
    prose = [position for position in body if blocks[position].is_prose and blocks[position].form != "h"]
    if not prose:
        return
    for position in body:
        block = blocks[position]
        if position < prose[0]:
            if looks_like_byline(block.text) or block.text in metadata.byline:
                block.label("BYLINE", "byline-form", "above the body")
            elif looks_like_date(block.text):
                block.label("DATE", "date-form", "above the body")
    mark_rules(blocks, rules)


def _trim(blocks: Sequence[Block]) -> None:
    """Label short leftovers before the first and after the last paragraph."""
    body = [block for block in blocks if block.kind is None and block.tag not in ("td", "th")]
    prose = [p for p, block in enumerate(body) if ends_sentence(block.text) and block.size >= 40]
    size = sum(block.size for block in body)
    if not prose or sum(body[position].size for position in prose) * 10 < size * 4:
        return  # a list or a table rather than prose: nothing here is a leftover
    for position, block in enumerate(body):
        leftover = block.form not in ("li", "quote") and not is_closed(block.text) and word_count(block.text) < 9
        if position < prose[0] and leftover and (block.form != "h" or position < prose[0] - 3):
            block.label("OUTSIDE", "above-body", "short and above the first paragraph")
        elif position > prose[-1] and (leftover or block.form == "h"):
            block.label("OUTSIDE", "below-body", "short and below the last paragraph")
