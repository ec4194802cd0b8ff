"""What is furniture on a page: the rules as data, and the named steps that mark blocks by them.

A step looks at the blocks of a page in their order and labels some of them with a kind of `KINDS`; the label says
where the block goes (a field of the article or the ledger of removals) and by which rule and evidence. Steps never
change or drop text. All matching is linear in the input: phrases go through one automaton, regular expressions only
see blocks of up to 300 characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Annotated, Any, Generic, Literal, TypeVar

import ahocorasick
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alliancewatch.config_file import read_config
from alliancewatch.prose import ends_sentence, is_cjk, weight, word_count
from alliancewatch.resources import resource

FIELD_KINDS = ("TITLE", "DEK", "BODY", "SUBHEAD", "KICKER", "CAPTION", "CREDIT", "BIO", "BYLINE", "DATE")
"""Kinds whose first block may become a field of the article; the others are always cut."""

KINDS = (
    *FIELD_KINDS,
    *("SHARE", "NAV", "GALLERY", "SUBSCRIBE", "METER", "OFFER", "EXPIRED", "LOGIN", "SPONSOR", "AD", "APP"),
    *("NEWSLETTER", "RELATED", "RANKING", "TAGS", "COMMENTS", "LEGAL", "COOKIE", "AUDIO", "EMBED", "SIDEBAR"),
    *("SYNDICATION", "TEMPLATE", "SVGTITLE", "DUP", "HIDDEN", "OUTSIDE", "UNREADABLE"),
)
"""Every kind a block can have. OUTSIDE: stands apart from the article without a sign of what it is."""

PAYWALL_KINDS = frozenset({"SUBSCRIBE", "METER", "OFFER", "EXPIRED"})
"""Kinds that speak of paid access; they are evidence for nothing by themselves."""

PROMPT_KINDS = PAYWALL_KINDS | {"SPONSOR", "APP", "GALLERY", "NEWSLETTER"}
"""Kinds that also interrupt a text, so that two paragraphs after them are its continuation."""

SHORT_WORDS = 11
"""Up to here a phrase alone is enough to cut a block; longer blocks need a position or a second sign as well."""

MAX_CLOSING = 5
"""How many paragraphs at the end of a text are looked at as appeals to the reader."""

PATTERN_CHARS = 300
PHRASE_CHARS = 700

Zone = Literal["head", "body", "tail"]
Form = Literal["p", "h", "li", "quote", "caption", "line"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _known_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"unknown kind, expected one of {', '.join(KINDS)}")
    return kind


def _sound_phrase(phrase: str) -> str:
    if not phrase.strip("^$ "):
        raise ValueError("an empty phrase would cut everything")
    return phrase


def _sound_pattern(pattern: str) -> str:
    try:
        empty_match = re.search(pattern, "")
    except re.error as error:
        where = f" at column {error.pos + 1}" if error.pos is not None else ""
        raise ValueError(f"not a regular expression: {error.msg}{where}") from None
    if empty_match:
        raise ValueError("a pattern that matches empty text would cut everything")
    return pattern


Kind = Annotated[str, AfterValidator(_known_kind)]
Phrase = Annotated[str, AfterValidator(_sound_phrase)]
Pattern = Annotated[str, AfterValidator(_sound_pattern)]


class Rule(_Model):
    """Whole blocks that are furniture; see the head of `config/boilerplate.yaml`."""

    name: str
    kind: Kind
    phrases: tuple[Phrase, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    where: Literal["anywhere", "head", "tail"] = "anywhere"
    max_words: int = Field(SHORT_WORDS, ge=1, le=200)
    confirm: tuple[str, ...] = ()
    hits: int = Field(1, ge=1, le=9)
    terminal: bool = False
    heads: bool = False

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """All patterns as one."""
        return re.compile("|".join(f"(?:{pattern})" for pattern in self.patterns))


class TemplateRules(_Model):
    """Marks of placeholders that were never filled in."""

    marks: tuple[str, ...]
    meter_words: tuple[str, ...]


class IconRules(_Model):
    """Words of which the accessible names of icons are made."""

    words: frozenset[str]


class CaptionRules(_Model):
    """Forms of captions and credits."""

    max_words: int
    agencies: frozenset[str]
    phrases: tuple[Phrase, ...]
    picture_words: frozenset[str]


class BioRules(_Model):
    """Forms of the paragraph about the author."""

    verbs: tuple[str, ...]
    words: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    credits: tuple[Phrase, ...]
    titles_ja: tuple[str, ...]


class AccessRules(_Model):
    """Phrases by which an outlet says that the rest is withheld."""

    adblock: tuple[Phrase, ...]
    registration: tuple[Phrase, ...]
    strong: tuple[Phrase, ...]
    weak: tuple[Phrase, ...]
    never: tuple[Phrase, ...]


class BoilerplateRules(_Model):
    """Everything that decides what is cut: the content of `boilerplate.yaml`."""

    rules: tuple[Rule, ...]
    templates: TemplateRules
    icon_titles: IconRules
    captions: CaptionRules
    sections: frozenset[str]
    bios: BioRules
    access: AccessRules
    containers: dict[Kind, frozenset[str]]
    standfirst_words: frozenset[str]
    kicker_words: frozenset[str]
    body_words: frozenset[str]

    @cached_property
    def version(self) -> str:
        """12 hex digits of the content: the same rules in another file have the same version."""
        content = self.model_dump(mode="python")
        return sha256(repr(_ordered(content)).encode()).hexdigest()[:12]

    @cached_property
    def rule_index(self) -> PhraseIndex[Rule]:
        """All phrases of all rules; earlier rules first."""
        return PhraseIndex((phrase, rule) for rule in self.rules for phrase in rule.phrases)

    @cached_property
    def rule_order(self) -> dict[str, int]:
        """Position of each rule by name."""
        return {rule.name: position for position, rule in enumerate(self.rules)}

    @cached_property
    def pattern_rules(self) -> tuple[tuple[int, Rule], ...]:
        """The rules that have patterns, with their positions."""
        return tuple((position, rule) for position, rule in enumerate(self.rules) if rule.patterns)

    @cached_property
    def caption_index(self) -> PhraseIndex[None]:
        """The forms of captions."""
        return PhraseIndex((phrase, None) for phrase in self.captions.phrases)

    @cached_property
    def bio_index(self) -> PhraseIndex[None]:
        """The forms that alone make a bio or a staff credit."""
        return PhraseIndex((phrase, None) for phrase in self.bios.phrases)

    @cached_property
    def credit_line_index(self) -> PhraseIndex[None]:
        """The forms of staff credits, which are not about the author."""
        return PhraseIndex((phrase, None) for phrase in self.bios.credits)

    @cached_property
    def kind_of_word(self) -> dict[str, str]:
        """Kind of furniture by a word of a class or id."""
        return {word: kind for kind, words in self.containers.items() for word in words}

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of a class or id that means something."""
        return frozenset(self.kind_of_word) | self.standfirst_words | self.kicker_words | self.body_words

    @cached_property
    def names_read(self) -> dict[str, tuple[frozenset[str], str | None]]:
        """What `extract.blocks` has read from classes and ids so far: a site's pages share them."""
        return {}

    @cached_property
    def access_index(self) -> PhraseIndex[str]:
        """Stop phrases with the name of their list."""
        lists = ("never", "adblock", "registration", "strong", "weak")
        return PhraseIndex((phrase, name) for name in lists for phrase in getattr(self.access, name))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, _ordered(item)) for key, item in value.items())
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in value]
    return value


@lru_cache(maxsize=1)
def default_rules() -> BoilerplateRules:
    """The rules that ship with the program. Raises `ConfigError`."""
    return read_config(resource("config", "boilerplate.yaml"), BoilerplateRules)


# --------------------------------------------------------------------------------------------- matching

_PLAIN = (*zip("‘’´`“”", "''''\"\"", strict=True), *((dash, "-") for dash in "‐‑–—―"))
_LEADING = " \t•・‣▪■□◆◇●○▼▽▲△▶►>›»→*·|※✓✔➤➡👉"
_TRAILING = " \t:›»→>▶►|+"
_BRACKETS = {"[": "]", "【": "】", "〈": "〉", "《": "》"}


def fold(text: str) -> str:
    """`text` as rules see it: NFKC, no case, straight quotes, plain hyphens, no bullet before or colon behind."""
    if not text.isascii():
        text = _plain(text)
    text = text.casefold().lstrip(_LEADING).rstrip(_TRAILING)
    if len(text) > 2 and _BRACKETS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def _fold_phrase(phrase: str) -> str:
    return _plain(phrase).casefold()


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    for fancy, plain in _PLAIN:
        if fancy in text:
            text = text.replace(fancy, plain)
    return text


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit(Generic[T]):
    """A phrase found in a block."""

    phrase: str
    value: T
    whole: bool
    """Whether the phrase is the whole block."""


class PhraseIndex(Generic[T]):
    """Many phrases looked for at once; `config/boilerplate.yaml` says how a phrase is written."""

    def __init__(self, phrases: Iterable[tuple[str, T]]) -> None:
        by_core: dict[str, list[tuple[str, bool, bool, T]]] = {}
        for phrase, value in phrases:
            at_start, at_end = phrase.startswith("^"), phrase.endswith("$")
            core = _fold_phrase(phrase.removeprefix("^").removesuffix("$"))
            by_core.setdefault(core, []).append((phrase, at_start, at_end, value))
        self._automaton = ahocorasick.Automaton()
        for core, entries in by_core.items():
            self._automaton.add_word(core, (core, entries))
        if by_core:
            self._automaton.make_automaton()
        self._is_empty = not by_core

    def hits(self, folded: str) -> Iterator[Hit[T]]:
        """Every phrase that stands in `folded` (text from `fold`) where it may."""
        if self._is_empty:
            return
        length = len(folded)
        for last, (core, entries) in self._automaton.iter(folded):
            start, end = last + 1 - len(core), last + 1
            if start and _is_word(core[0]) and _is_word(folded[start - 1]):
                continue
            if end < length and _is_word(core[-1]) and _is_word(folded[end]):
                continue
            for phrase, at_start, at_end, value in entries:
                if (not at_start or start == 0) and (not at_end or end == length):
                    yield Hit(phrase, value, start == 0 and end == length)


def _is_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


# ------------------------------------------------------------------------------------------------ steps


_PARAGRAPH = 200
_SHORT_PARAGRAPH = 80
"""Weight from which a block is a paragraph: in any case, and if it ends like a sentence."""


@dataclass(slots=True)
class Line:
    """A block of text on its way to a field or to the ledger."""

    text: str
    form: Form = "line"
    """What the page marks it as; `line` where a page has no marks."""
    group: int = 0
    """Lines without a blank line between them share a group."""
    kind: str | None = None
    """None while the line is part of the body."""
    rule: str = ""
    evidence: str = ""
    checked: str = ""
    """Zone for which the rules were asked; asking again would give the same."""
    no_caption: bool = False
    """Whether its form was looked at and is no caption's."""
    size: int = field(init=False, default=0)
    """Its weight."""
    is_prose: bool = field(init=False, default=False)
    """Whether it reads like a paragraph of an article rather than like a label."""

    def __post_init__(self) -> None:
        self.size = weight(self.text)
        self.is_prose = self.size >= _PARAGRAPH or (self.size >= _SHORT_PARAGRAPH and ends_sentence(self.text))

    def label(self, kind: str, rule: str, evidence: str) -> None:
        """Mark the line."""
        self.kind, self.rule, self.evidence = kind, rule, evidence


def match_rule(text: str, zone: Zone, rules: BoilerplateRules, *, closing: bool = False) -> tuple[Rule, str] | None:
    """The first rule by which a block that is `text` is furniture, with the phrase or pattern that matched.

    `closing`: the block is a paragraph at the end of the text, where one phrase in its middle is not enough.
    """
    folded = fold(text[:PHRASE_CHARS])
    words = word_count(folded) if len(text) <= PHRASE_CHARS else PHRASE_CHARS
    best: tuple[int, Rule, str] | None = None
    phrases_of: dict[str, set[str]] = {}
    for hit in rules.rule_index.hits(folded):
        rule = hit.value
        position = rules.rule_order[rule.name]
        if best is not None and best[0] <= position:
            continue
        if not hit.whole:
            if rule.where not in ("anywhere", zone) or not _may_be_cut(folded, words, rule, zone):
                continue
            found = phrases_of.setdefault(rule.name, set())
            found.add(hit.phrase)
            if len(found) < (2 if closing and rule.hits == 1 and not hit.phrase.startswith("^") else rule.hits):
                continue
        best = position, rule, f"phrase «{hit.phrase}»"
    if len(text) <= PATTERN_CHARS:
        for position, rule in rules.pattern_rules:
            if best is not None and best[0] <= position:
                break
            matched = rule.regex.match(folded) if rule.where in ("anywhere", zone) else None
            if matched is not None and _may_be_cut(folded, words, rule, zone):
                best = position, rule, f"pattern matches «{matched.group()[:60]}»"
    return None if best is None else (best[1], best[2])


def _may_be_cut(folded: str, words: int, rule: Rule, zone: Zone) -> bool:
    """Whether a block of this length may be cut here: long ones only outside the body or with a second sign."""
    if words <= min(SHORT_WORDS, rule.max_words):
        return True
    return words <= rule.max_words and (zone != "body" or any(word in folded for word in rule.confirm))


def is_prose(text: str) -> bool:
    """Whether a block reads like a paragraph of an article rather than like a label."""
    return Line(text).is_prose


def is_long_prose(text: str) -> bool:
    """Whether a block is a paragraph beyond doubt: above 200 characters, 80 in Japanese."""
    return weight(text) >= 200


def mark_templates(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Cut placeholders that were never filled in."""
    marks = rules.templates.marks
    for line in lines:
        if line.kind is None and len(line.text) <= PHRASE_CHARS:
            mark = next((mark for mark in marks if mark in line.text), None)
            if mark is not None:
                folded = fold(line.text)
                metered = sum(word in folded for word in rules.templates.meter_words) >= 2
                line.label("METER" if metered else "TEMPLATE", "template", f"placeholder «{mark}»")


_ICON_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
_JOINT = re.compile("[a-z][A-Z]")


def mark_icon_titles(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Cut the accessible names of icons that a scraper ran together."""
    for line in lines:
        text = line.text
        if line.kind is not None or len(text) < 8 or len(text) > 2000 or _JOINT.search(text) is None:
            continue
        words = [word.casefold() for word in _ICON_WORD.findall(text)]
        known = sum(word in rules.icon_titles.words for word in words)
        joints = len(_JOINT.findall(text))
        if known >= 3 and 2 * known >= len(words) and joints >= 2 and not ends_sentence(text):
            line.label("SVGTITLE", "icon-titles", f"{known} of {len(words)} words name icons, {joints} run together")


_BAR_CREDIT = re.compile(r" \| ?([A-Z0-9][A-Z0-9 .,&/'’()-]{1,60}|[^|]{2,40})$")
_COPYRIGHT_CREDIT = re.compile(r"[(（]? ?(?:©|\(c\)) ?[^.。!?]{2,60}$", re.I)
_PHOTO_BY = re.compile(
    r"[(（\[](?:"
    r"[^()（）]{0,80}?\b(?:photo|image|photograph|video|graphic|illustration)s? (?:by|courtesy|from|via|provided)\b"
    r"|(?:ap|afp|reuters|epa|kyodo|u\.s\. (?:navy|army|air force|marine corps)) (?:photo|file)"
    r"|courtesy of |photo: |credit: )[^()（）]{0,120}[)）\]]?$",
    re.I,
)
_CREDIT_PART = re.compile(r"\s*(?:/|,|\bvia\b|\bfor\b|・|=|＝)\s*", re.I)


def caption_evidence(text: str, rules: BoilerplateRules) -> tuple[str, bool] | None:
    """What shows that a block is a caption, and whether it is nothing but a credit; None when nothing does."""
    form = rules.captions
    if len(text) > PHRASE_CHARS or word_count(text) > form.max_words:
        return None
    if " | " in text and (match := _BAR_CREDIT.search(text[-90:])):
        credit = match.group(1)
        if credit.upper() == credit and any(map(str.isalpha, credit)):
            return f"ends in credit «| {credit}»", False
        if _names_agency(credit, form):
            return f"ends in credit «| {credit}»", False
    if match := _COPYRIGHT_CREDIT.search(text[-80:]):
        if match.start() > 0 or len(text) > 80:
            return f"ends in credit «{match.group().strip()}»", False
        return None
    folded = fold(text)
    hit = next((hit for hit in rules.caption_index.hits(folded)), None)
    if hit is not None:
        return f"phrase «{hit.phrase}»", hit.phrase.startswith("^")
    if match := _PHOTO_BY.search(text[-240:]):
        return f"ends in credit «{match.group()[:60]}»", match.start() == 0 and len(text) <= 240
    if len(text) <= 60 and not ends_sentence(text) and _names_agency(text.strip("()（）[] "), form) and "/" in text:
        return f"credit «{text}»", True
    return None


def _names_agency(credit: str, form: CaptionRules) -> bool:
    parts = _CREDIT_PART.split(unicodedata.normalize("NFKC", credit).casefold())
    return any(part.strip(" .()") in form.agencies for part in parts)


def mark_captions(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Set captions and credits apart, and the line directly above a bare credit with it."""
    for position, line in enumerate(lines):
        if line.kind is not None or line.form == "h" or line.no_caption:
            continue
        found = caption_evidence(line.text, rules)
        if found is None:
            line.no_caption = True
            continue
        evidence, is_credit = found
        line.label("CREDIT" if is_credit else "CAPTION", "caption-form", evidence)
        above = lines[position - 1] if position else None
        if (
            is_credit
            and above is not None
            and above.group == line.group
            and above.form == "line"
            and above.kind is None
        ):
            above.label("CAPTION", "above-credit", f"directly above «{line.text[:60]}»")


def mark_rules(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Cut what the phrase and pattern rules name."""
    first, last = prose_span(lines)
    for _ in range(MAX_CLOSING):
        found = match_rule(lines[last].text, "tail", rules, closing=True) if last > first else None
        if found is None:
            break
        lines[last].label(found[0].kind, found[0].name, f"{found[1]}, at the end of the text")
        first, last = prose_span(lines)
    known_in: dict[Zone, dict[str, tuple[Rule, str] | None]] = {"head": {}, "body": {}, "tail": {}}
    for position, line in enumerate(lines):
        if line.kind is None or line.kind == "CAPTION":
            zone: Zone = "head" if position < first else "tail" if position > last else "body"
            if line.checked == zone:
                continue
            line.checked = zone
            if line.text not in (known := known_in[zone]):
                known[line.text] = match_rule(line.text, zone, rules)
            found = known[line.text]
            if found is not None:
                line.label(found[0].kind, found[0].name, found[1])
                if found[0].heads and position + 1 < len(lines):
                    _label_list_below(line, lines[position + 1])


def _label_list_below(heading: Line, below: Line) -> None:
    """Cut the list that stands below its heading: in the same block, or words between commas."""
    listed = below.text.count(",") + below.text.count("、") >= 2 and word_count(below.text) <= 40
    if below.kind is None and not ends_sentence(below.text) and (below.group == heading.group or listed):
        below.label(heading.kind or "TAGS", heading.rule, f"below «{heading.text[:60]}»")


def prose_span(lines: Sequence[Line]) -> tuple[int, int]:
    """Positions of the first and the last unmarked paragraph; of all lines when none reads like one."""
    prose = [position for position, line in enumerate(lines) if line.kind is None and line.is_prose]
    return (prose[0], prose[-1]) if prose else (0, len(lines) - 1)


def mark_tail(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Cut everything after the first block that ends articles, unless two or more long paragraphs follow."""
    terminal = {rule.name for rule in rules.rules if rule.terminal}
    long_after = prose_after = 0
    ends: list[int] = []
    for position in range(len(lines) - 1, -1, -1):
        line = lines[position]
        if line.kind is None and line.is_prose and line.size >= 100:
            prose_after += 1
            long_after += is_long_prose(line.text)
        if long_after >= 2 or prose_after >= 3:
            break
        prompt = line.kind in PROMPT_KINDS
        if (line.rule in terminal or line.kind == "METER") and prose_after < (2 if prompt else 3):
            ends.append(position)
    if not ends:
        return
    start = ends[-1]
    if not any(line.kind is None and line.is_prose for line in lines[:start]):
        return
    cause = lines[start]
    for line in reversed(lines[:start]):
        if line.group != cause.group or line.kind is not None or line.form != "line" or line is lines[0]:
            break
        line.label(cause.kind or "OUTSIDE", "same-block", f"directly above «{cause.text[:60]}»")
    own = {line.group: line for line in reversed(lines[start:]) if line.kind not in FIELD_KINDS and line.kind}
    for line in lines[start:]:
        if line.kind is None:
            nearer = own.get(line.group, cause)
            line.label(nearer.kind or "OUTSIDE", "terminal-block", f"after or beside «{nearer.text[:60]}»")
        elif line.kind not in FIELD_KINDS:
            cause = line


_NAME = re.compile(
    r"(?:Dr\.?|Prof\.?|Professor|Gen\.|Lt\.|Col\.|Adm\.|Capt\.|Maj\.|Ambassador|Sir|The author,?)? ?"
    r"(?:[A-Z][\w’'.-]{0,20},? ){1,4}(?:(?:and|&) (?:[A-Z][\w’'.-]{0,20},? ){1,4})?(?:\([^)]{1,60}\),? )?"
)


def bio_evidence(text: str, rules: BoilerplateRules) -> tuple[str, str] | None:
    """Kind and evidence of a paragraph about the author or of a staff credit; None when it is neither."""
    form = rules.bios
    folded = fold(text[:PHRASE_CHARS])
    hit = next(rules.credit_line_index.hits(folded), None)
    if hit is not None:
        return ("BYLINE", f"phrase «{hit.phrase}»") if word_count(text) <= 40 else None
    hit = next(rules.bio_index.hits(folded), None)
    if hit is not None:
        return ("BIO", f"phrase «{hit.phrase}»") if word_count(text) <= 60 else None
    if len(text) > 900 or any(quote in text for quote in "“”「"):
        return None
    if is_cjk(text):
        titles = [title for title in form.titles_ja if title in text[:200]]
        return ("BIO", f"names {'、'.join(titles)}") if "年生まれ" in text and len(titles) > 1 else None
    match = _NAME.match(text)
    if match is None or '"' in text or " said" in text:
        return None
    rest = text[match.end() : match.end() + 200].casefold()
    verb = next((verb for verb in form.verbs if rest.startswith(verb + " ")), None)
    if verb is None:
        return None
    words = sorted(set(re.findall(r"[a-z.]+", rest)) & set(form.words))
    return ("BIO", f"«{match.group().strip()} {verb}» with {', '.join(words)}") if words else None


def mark_bios(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Set apart the closing paragraphs about the author."""
    body = [line for line in lines if line.kind is None]
    prose = sum(line.is_prose for line in body)
    for line in reversed(body[-4:]):
        found = bio_evidence(line.text, rules) if line.form != "h" else None
        if found is None:
            if line.is_prose:
                break
            continue
        if found[0] == "BIO" and prose < 3:
            break
        line.label(found[0], "about-author", found[1])


_FORMAL_REPEATS = 3
_FORMAL_CHARS = 60


def mark_repeats(lines: Sequence[Line], _: BoilerplateRules) -> None:
    """Cut a block that repeats a kept one as a whole; a longer block that begins the same stays.

    Short lines that come three times or more are the form of the text: “Pros” under each thing that is compared.
    """
    seen: dict[str, Line] = {}
    formal = Counter(line.text.casefold() for line in lines if line.kind is None)
    for line in lines:
        if line.kind is not None and line.kind not in FIELD_KINDS:
            continue
        key = line.text.casefold()
        if formal[key] >= _FORMAL_REPEATS and len(key) <= _FORMAL_CHARS and not ends_sentence(line.text):
            continue
        earlier = seen.setdefault(key, line)
        if earlier is not line and not (line.rule == "above-credit" and earlier.kind != "CAPTION"):
            line.label("DUP", "repeat", f"repeats «{earlier.text[:60]}»")


Step = Callable[[Sequence[Line], BoilerplateRules], None]

STEPS: tuple[tuple[str, Step], ...] = (
    ("templates", mark_templates),
    ("icon-titles", mark_icon_titles),
    ("captions", mark_captions),
    ("rules", mark_rules),
    ("tail", mark_tail),
    ("repeats", mark_repeats),
    ("bios", mark_bios),
)
"""The steps in their order: forms that are sure come first, positions are read from what they leave."""


def mark_boilerplate(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Label all furniture among `lines`, again and again until nothing new is found, so that twice equals once."""
    marked = -1
    while (now := sum(line.kind is not None for line in lines)) != marked:
        marked = now
        for _, step in STEPS:
            step(lines, rules)
