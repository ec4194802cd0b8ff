"""Which blocks of an HTML page are its article."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from alliancewatch.boilerplate import BoilerplateRules, fold, is_prose, mark_boilerplate, mark_rules
from alliancewatch.extract.blocks import Block, Document, Element, weigh
from alliancewatch.extract.metadata import Metadata, looks_like_byline, looks_like_date, title_parts
from alliancewatch.prose import ends_sentence, is_closed, weight, word_count

_NEVER_PROSE = frozenset(
    ["SHARE", "NAV", "DATE", "BYLINE", "TAGS", "LOGIN", "AUDIO", "GALLERY", "SUBSCRIBE", "EMBED", "HIDDEN"]
)
_LEAVES = frozenset(["p", "h2", "h3", "li", "ul", "ol", "span", "blockquote"])


def mark_page(document: Document, metadata: Metadata, rules: BoilerplateRules) -> None:
    """Label title, standfirst, captions and all furniture among the page's blocks; the rest is the body."""
    blocks = document.blocks
    total = weigh(blocks)
    _mark_title(blocks, metadata)
    _void_hints(blocks, total)
    _hint_teasers(blocks, total)
    _mark_standfirst(blocks, rules)
    _mark_contexts(blocks)
    core = _find_core(blocks, rules)
    if core is not None:
        _mark_outside(blocks, core)
    _mark_inside(blocks, metadata, rules)
    mark_boilerplate(blocks, rules)
    _trim(blocks)


def _void_hints(blocks: Sequence[Block], total: int) -> None:
    """Take back the hints of elements that must be around or be the article itself."""
    title = next((block for block in blocks if block.kind == "TITLE"), None)
    for element in title.element.ancestors() if title is not None else ():
        if element.paragraphs and element.hint != "HIDDEN":
            element.hint = None
    elements = {id(element): element for block in blocks for element in block.element.ancestors()}
    unhinted = sum(
        weight(block.text)
        for block in blocks
        if is_prose(block.text) and not any(element.hint for element in block.element.ancestors())
    )
    alike: dict[tuple[str, str], list[Element]] = {}
    for element in elements.values():
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
            if whole or (hint in _NEVER_PROSE and count >= 3 and share > 0.3) or (share > 0.5 and buried):
                element.hint = None


def _mark_standfirst(blocks: Sequence[Block], rules: BoilerplateRules) -> None:
    """Label the block below the headline that is named as a standfirst."""
    title = next((position for position, block in enumerate(blocks) if block.kind == "TITLE"), None)
    if title is None:
        return
    for block in blocks[title + 1 : title + 16]:
        if block.kind is not None or word_count(block.text) < 5 or block.link_density > 0.3 or block.form == "caption":
            continue
        near = list(block.element.ancestors())[:3]
        if any(element.hint not in (None, "RELATED", "DATE") for element in near):
            continue
        if looks_like_date(block.text):
            continue
        if any(element.words & rules.standfirst_words for element in near):
            block.label("DEK", "standfirst", "named so, below the headline")
            return
        if block.form == "h" and word_count(block.text) >= 9 and block.group <= title + 4:
            block.label("DEK", "standfirst", f"a sentence in <{block.tag}> below the headline")
            return


def _hint_teasers(blocks: Sequence[Block], total: int) -> None:
    """Hint that articles inside an article, or many small ones side by side, are teasers of others."""
    articles = {id(e): e for block in blocks for e in block.element.ancestors() if e.tag == "article"}
    siblings = Counter(id(article.parent) for article in articles.values())
    for article in articles.values():
        outer = next((e for e in article.ancestors() if e is not article and e.tag == "article"), None)
        nested = outer is not None and article.prose * 10 < total * 4
        crowd = siblings[id(article.parent)] >= 3 and article.paragraphs <= 2
        if (nested or crowd) and article.hint is None:
            article.hint = "RELATED"


def _mark_contexts(blocks: Sequence[Block]) -> None:
    """Label blocks by the elements around them."""
    for block in blocks:
        if block.kind is not None:
            continue
        for element in block.element.ancestors():
            if element.hint is not None:
                what = (
                    f"<{element.tag}>"
                    if not element.words
                    else f"<{element.tag}> named {' '.join(sorted(element.words)[:4])}"
                )
                block.label(element.hint, "container", what)
                break


def _mark_title(blocks: Sequence[Block], metadata: Metadata) -> None:
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


def _find_core(blocks: Sequence[Block], rules: BoilerplateRules) -> Element | None:
    """The innermost element that holds four fifths of the paragraphs around the headline, or of the whole page."""
    open_blocks = [b for b in blocks if b.kind is None and b.form != "h" and b.link_density < 0.5]
    good = [block for block in open_blocks if is_prose(block.text)]
    good = good or [block for block in open_blocks if ends_sentence(block.text)] or open_blocks
    total = sum(weight(block.text) for block in good)
    mass: dict[int, int] = {}
    elements: dict[int, Element] = {}
    for block in good:
        for element in block.element.ancestors():
            mass[id(element)] = mass.get(id(element), 0) + weight(block.text)
            elements[id(element)] = element
    frames = [_around_title(blocks), *(e for e in elements.values() if e.tag == "article" or _is_body(e, rules))]
    frame = max(
        (e for e in frames if e is not None and id(e) in mass and mass[id(e)] * 10 >= total * 4),
        key=lambda e: (mass[id(e)] * 10 >= total * 6, e.depth),
        default=None,
    )
    if frame is not None:
        total = mass[id(frame)]
    core: Element | None = None
    for key, element in elements.items():
        inside = frame is None or any(outer is frame for outer in element.ancestors())
        if inside and mass[key] * 10 >= total * 8 and (core is None or element.depth > core.depth):
            core = element
    while core is not None and core.parent is not None and core.tag in _LEAVES:
        core = core.parent
    return core


def _is_body(element: Element, rules: BoilerplateRules) -> bool:
    return element.itemprop == "articleBody" or not rules.body_words.isdisjoint(element.words)


def _around_title(blocks: Sequence[Block]) -> Element | None:
    """The innermost element that holds the headline and paragraphs as well."""
    title = next((block for block in blocks if block.kind == "TITLE"), None)
    if title is None:
        return None
    return next((element for element in title.element.ancestors() if element.paragraphs), None)


def _outer_of(core: Element, blocks: Sequence[Block]) -> Element:
    """The element around `core` in which other parts of the body may stand: up to the headline or the `article`."""
    title = next((block for block in blocks if block.kind == "TITLE"), None)
    around_title = {id(element) for element in title.element.ancestors()} if title is not None else set()
    outer = core
    for element in core.ancestors():
        if element.tag in ("body", "html"):
            break
        outer = element
        if id(element) in around_title or element.tag == "article":
            break
    return outer


def _mark_outside(blocks: Sequence[Block], core: Element) -> None:
    """Label what stands outside the core; around it, paragraphs beyond doubt stay."""
    outer = _outer_of(core, blocks)
    for block in blocks:
        if block.kind is not None:
            continue
        around = list(block.element.ancestors())
        if any(element is core for element in around):
            continue
        if not any(element is outer for element in around):
            block.label("OUTSIDE", "outside-body", "stands outside the element that holds the article")
        elif not (is_prose(block.text) and block.form in ("p", "quote") and block.link_density < 0.3):
            block.label("OUTSIDE", "beside-body", "stands beside the article's text and is no paragraph")


def _mark_inside(blocks: Sequence[Block], metadata: Metadata, rules: BoilerplateRules) -> None:
    """Label captions, bylines, dates and link lists inside the region."""
    titles = {fold(text) for text, _ in metadata.titles}
    for block in blocks:
        if block.kind is not None:
            continue
        if block.form == "caption":
            block.label("CAPTION", "figcaption", f"<{block.tag}>")
        elif block.form != "quote" and word_count(block.text) < 60 and any(e.tag == "figure" for e in list(block.element.ancestors())[:4]):
            block.label("CAPTION", "figure", "stands in a <figure>")
        elif fold(block.text) in titles:
            block.label("DUP", "repeat", "repeats the headline")
        elif (block.link_density > 0.6 and not ends_sentence(block.text)) or (
            block.link_density > 0.9 and block.form == "li"
        ):
            block.label("RELATED", "links", f"{block.link_density:.0%} of it is links")
    body = [position for position, block in enumerate(blocks) if block.kind is None]
    prose = [position for position in body if is_prose(blocks[position].text) and blocks[position].form != "h"]
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
    prose = [p for p, block in enumerate(body) if ends_sentence(block.text) and weight(block.text) >= 40]
    size = sum(weight(block.text) for block in body)
    if not prose or sum(weight(body[position].text) for position in prose) * 10 < size * 4:
        return  # a list or a table rather than prose: nothing here is a leftover
    for position, block in enumerate(body):
        leftover = block.form not in ("li", "quote") and not is_closed(block.text) and word_count(block.text) < 9
        if position < prose[0] and leftover and (block.form != "h" or position < prose[0] - 3):
            block.label("OUTSIDE", "above-body", "short and above the first paragraph")
        elif position > prose[-1] and (leftover or block.form == "h"):
            block.label("OUTSIDE", "below-body", "short and below the last paragraph")
