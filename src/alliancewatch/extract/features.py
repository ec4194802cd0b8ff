"""The figures by which the block model judges a block: its shape, its place among the others, and what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from alliancewatch.extract.blocks import Block, Document, Element
from alliancewatch.prose import ends_sentence, is_closed

NEVER_JUDGED = frozenset(
    [
        "LOGIN",
        "SUBSCRIBE",
        "COMMENTS",
        "HIDDEN",
        "EMBED",
        "TITLE",
        "CREDIT",
        "NEWSLETTER",
        "GALLERY",
        "CAPTION",
        "DEK",
        "KICKER",
        "DUP",
    ]
)
"""Kinds that the rules are sure of."""

_BY_PLACE = frozenset(["container", "outside-body", "beside-body", "links", "above-body", "below-body"])
"""Rules that go by where a block stands and not by what it says."""

_MARGIN = 15
"""Blocks before the first and after the last paragraph that are judged too."""

_FORMS = {form: float(number) for number, form in enumerate(("p", "h", "li", "quote", "caption", "line"))}
_TAGS = {
    tag: float(number)
    for number, tag in enumerate(
        [
            "p",
            "div",
            "span",
            "li",
            "td",
            "h1",
            "h2",
            "h3",
            "h4",
            "a",
            "blockquote",
            "figcaption",
            "dt",
            "dd",
            "pre",
            "section",
            "article",
            "em",
            "strong",
        ]
    )
}
_KINDS = {
    kind: float(number)
    for number, kind in enumerate(
        [
            "OUTSIDE",
            "RELATED",
            "SIDEBAR",
            "NAV",
            "LEGAL",
            "SHARE",
            "AD",
            "BYLINE",
            "DATE",
            "TAGS",
            "BIO",
            "COOKIE",
            "AUDIO",
            "PROMO",
            "CORRECTION",
            "SVGTITLE",
            "RANKING",
            "OFFER",
            "APP",
            "SYNDICATION",
        ]
    )
}
_OTHER = -1.0
_OUT = -1.0
_FAR = 50.0

NAMES = (
    *("weight", "link_density", "ends_sentence", "prose", "closed", "form", "tag", "kind", "kept", "hints"),
    *("position", "from_title", "from_first", "from_last", "blocks", "kept_weight", "prose_weight", "kept_paragraphs"),
    *("path_share", "before", "after"),
    *("previous_kept", "previous_prose", "previous_links", "previous_weight", "previous_same_element"),
    *("next_kept", "next_prose", "next_links", "next_weight", "next_same_element"),
    *("second_previous_kept", "second_next_kept"),
    *("parent_weight", "parent_prose", "parent_links", "parent_kept", "parent_of_kept"),
    *("outer_weight", "outer_prose", "outer_links", "outer_kept", "outer_of_kept"),
    *("depth", "outer_of_prose", "in_main", "in_list", "in_table", "digits", "capitals", "repeats"),
)
"""Of the figures of one block, in their order."""


@dataclass(slots=True)
class _Mass:
    """What stands directly in an element, or in its children."""

    weight: int = 0
    prose: int = 0
    links: int = 0
    kept: int = 0

    def shares(self, kept_weight: int) -> tuple[float, float, float, float, float]:
        """Weight, and how much of it is prose, links and kept; and how much of all that is kept it is."""
        whole = max(1, self.weight)
        return (
            float(self.weight),
            self.prose / whole,
            self.links / whole,
            self.kept / whole,
            self.kept / max(1, kept_weight),
        )


def judged_blocks(document: Document) -> list[int]:
    """Positions of the blocks that the model has a say in: around the paragraphs that are kept, where any are."""
    blocks = document.blocks
    kept = [
        position
        for position, block in enumerate(blocks)
        if block.kind in (None, "DEK") and block.form != "h" and block.is_prose
    ]
    if not kept:
        return []
    start, end = max(0, kept[0] - _MARGIN), min(len(blocks), kept[-1] + _MARGIN + 1)
    return [position for position in range(start, end) if _is_open(blocks[position])]


def _is_open(block: Block) -> bool:
    """Whether nothing sure was said of it: what a phrase gave away would be cut again from the cleaned text."""
    return block.kind is None or (block.kind not in NEVER_JUDGED and block.rule in _BY_PLACE)


def figures_of(document: Document, positions: Sequence[int]) -> list[tuple[float, ...]]:
    """The figures of the blocks at these positions, as `NAMES` says. Linear in the length of the page."""
    if not positions:
        return []
    blocks = document.blocks
    count = len(blocks)
    weights = [block.size for block in blocks]
    prose = [block.is_prose and block.form != "h" for block in blocks]
    kept = [block.kind in (None, "DEK") for block in blocks]
    title = next((position for position, block in enumerate(blocks) if block.kind == "TITLE"), None)
    paragraphs = [position for position in range(count) if kept[position] and prose[position]]
    first, last = (paragraphs[0], paragraphs[-1]) if paragraphs else (count, -1)
    kept_weight = sum(size for size, is_kept in zip(weights, kept, strict=True) if is_kept)
    prose_weight = sum(size for size, is_paragraph in zip(weights, prose, strict=True) if is_paragraph)
    repeats = Counter(block.text for block in blocks)
    inner: dict[int, _Mass] = {}
    outer: dict[int, _Mass] = {}
    paths: dict[tuple[str, int], float] = {}
    path_ids: dict[int, int] = {}
    path_numbers: dict[tuple[str, int], int] = {}
    for position, block in enumerate(blocks):
        element = block.element
        for masses, key in ((inner, id(element)), (outer, id(element.parent or element))):
            mass = masses.get(key)
            if mass is None:
                mass = masses[key] = _Mass()
            mass.weight += weights[position]
            mass.links += block.links
            if prose[position]:
                mass.prose += weights[position]
            if kept[position]:
                mass.kept += weights[position]
        if kept[position] and prose[position]:
            path = (block.tag, _path_number(element, path_ids, path_numbers))
            paths[path] = paths.get(path, 0.0) + weights[position]
    before, after = _distances(count, paragraphs)
    whole_kept, whole_prose = max(1, kept_weight), max(1, prose_weight)
    facts: dict[int, tuple[float, float, float, float]] = {}

    def beside(position: int, own: Element) -> tuple[float, float, float, float, float]:
        if not 0 <= position < count:
            return (_OUT, _OUT, _OUT, _OUT, _OUT)
        other = blocks[position]
        return (
            float(kept[position]),
            float(prose[position]),
            other.link_density,
            float(min(weights[position], 600)),
            float(other.element is own),
        )

    found: list[tuple[float, ...]] = []
    for position in positions:
        block = blocks[position]
        element, text = block.element, block.text
        head = text[:400]
        found.append(
            (
                float(weights[position]),
                block.link_density,
                float(ends_sentence(text)),
                float(prose[position]),
                float(is_closed(text)),
                _FORMS.get(block.form, _OTHER),
                _TAGS.get(block.tag, _OTHER),
                _KINDS.get(block.kind or "", _OTHER),
                float(kept[position]),
                (facts.get(id(element)) or _facts_of(element, facts))[0],
                position / count,
                float(position - title) if title is not None else -999.0,
                float(position - first),
                float(position - last),
                float(count),
                float(kept_weight),
                float(prose_weight),
                float(len(paragraphs)),
                paths.get((block.tag, _path_number(element, path_ids, path_numbers)), 0.0) / whole_kept,
                before[position],
                after[position],
                *beside(position - 1, element),
                *beside(position + 1, element),
                float(kept[position - 2]) if position >= 2 else _OUT,
                float(kept[position + 2]) if position + 2 < count else _OUT,
                *inner[id(element)].shares(kept_weight),
                *outer[id(element.parent or element)].shares(kept_weight),
                float(element.depth),
                element.parent.prose / whole_prose if element.parent else 1.0,
                *facts[id(element)][1:],
                sum(map(str.isdigit, head)) / max(1, len(head)),
                sum(map(str.isupper, head)) / max(1, len(head)),
                float(repeats[text]),
            )
        )
    return found


def _facts_of(
    element: Element, known: dict[int, tuple[float, float, float, float]]
) -> tuple[float, float, float, float]:
    """Hints around it, and whether it stands in `main`, closely in a list, and in a table."""
    around = list(element.ancestors())
    facts = (
        float(sum(other.hint is not None for other in around)),
        float(any(other.tag == "main" for other in around)),
        float(any(other.tag in ("ul", "ol") for other in around[:3])),
        float(any(other.tag == "table" for other in around)),
    )
    known[id(element)] = facts
    return facts


def _path_number(element: Element | None, ids: dict[int, int], numbers: dict[tuple[str, int], int]) -> int:
    """The same number for elements under the same row of tags."""
    if element is None:
        return 0
    known = ids.get(id(element))
    if known is None:
        path = (element.tag, _path_number(element.parent, ids, numbers))
        known = ids[id(element)] = numbers.setdefault(path, len(numbers) + 1)
    return known


def _distances(count: int, paragraphs: Sequence[int]) -> tuple[list[float], list[float]]:
    """How far the nearest kept paragraph before and after each block is, in blocks."""
    is_paragraph = [False] * count
    for position in paragraphs:
        is_paragraph[position] = True
    before, after = [_FAR] * count, [_FAR] * count
    gap = _FAR
    for position in range(count):
        gap += 1
        before[position] = min(gap, _FAR)
        if is_paragraph[position]:
            gap = 0.0
    gap = _FAR
    for position in reversed(range(count)):
        gap += 1
        after[position] = min(gap, _FAR)
        if is_paragraph[position]:
            gap = 0.0
    return before, after
