"""Title, byline, dates, section and language of a page, each with the place it was read from."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from urllib.parse import urljoin, urlsplit

from alliancewatch.dates import parse_date
from alliancewatch.extract.access import AccessSigns
from alliancewatch.extract.blocks import Document
from alliancewatch.prose import normal_text

_BYLINE_PREFIX = re.compile(r"^(?:by|written by|reported by|von|por|par|di|文|取材・文)[ :：]+", re.I)
_DATE_WORDS = re.compile(
    r"\b(?:published|updated|posted|last|modified|on|at|date|created|first|jst|est|edt|gmt|utc|et|pm|am|p\.m\.|a\.m\.|"
    r"mon|tues?|wed|thu(?:rs)?|fri|sat|sun)(?:day|nesday|urday)?\b|公開|更新|掲載|配信|投稿|[年月日時分秒頃付]|令和|平成",
    re.I,
)
_ARTICLE_TYPES = frozenset(
    [
        "article",
        "newsarticle",
        "reportagenewsarticle",
        "analysisnewsarticle",
        "opinionnewsarticle",
        "blogposting",
        "backgroundnewsarticle",
        "reviewnewsarticle",
        "advertisercontentarticle",
        "report",
        "scholarlyarticle",
        "techarticle",
        "liveblogposting",
        "socialmediaposting",
    ]
)
_LISTING_TYPES = frozenset(["collectionpage", "searchresultspage", "profilepage", "itemlist"])
_TITLE_SEPARATOR = re.compile(r"\s+[|\-–—:»«·•／/]\s+|\s*[|｜]\s*|：：")
_KANA = re.compile("[ぁ-んァ-ヶ]")
_HANGUL = re.compile("[가-힣]")
_HAN = re.compile("[一-鿿]")
_ENGLISH = frozenset(["the", "of", "and", "to", "in", "that", "for", "is", "on", "with", "was", "by", "at", "from"])
_MAX_JSON = 4_000_000

_DATE_METAS = (
    "article:published_time",
    "datepublished",
    "og:published_time",
    "parsely-pub-date",
    "sailthru.date",
    "dc.date.issued",
    "dcterms.created",
    "dc.date",
    "dcterms.date",
    "date",
    "pubdate",
    "publish-date",
    "publish_date",
    "article.published",
    "cxenseparse:recs:publishtime",
    "article_date_original",
    "last-modified-date",
    "originalpublicationdate",
)


@dataclass(slots=True)
class Metadata:
    """What a page says of itself outside its text."""

    titles: list[tuple[str, str]] = field(default_factory=list)
    """(text, where it was read), the most trusted first."""
    byline: tuple[str, ...] = ()
    byline_is_outlet: bool = False
    """Whether it names the outlet rather than a person, so that a visible byline says more."""
    published_at: datetime | None = None
    published_raw: str | None = None
    section: str | None = None
    lang: str = "und"
    url: str | None = None
    site_name: str | None = None
    types: frozenset[str] = frozenset()
    og_type: str | None = None
    body: str | None = None
    """`articleBody`."""
    signs: AccessSigns = field(default_factory=AccessSigns)
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def is_article(self) -> bool:
        """Whether the page declares itself an article."""
        return bool(self.types & _ARTICLE_TYPES) or self.og_type == "article"

    @property
    def is_listing(self) -> bool:
        """Whether the page declares itself a list."""
        return bool(self.types & _LISTING_TYPES) and not self.types & _ARTICLE_TYPES


def read_metadata(document: Document, url: str | None, zone: str | tzinfo | None) -> Metadata:
    """What the page's machine-readable parts say."""
    found = Metadata()
    metas: dict[str, list[str]] = {}
    for name, content in document.metas:
        text = normal_text(content)
        if text:
            metas.setdefault(name, []).append(text)
    nodes = list(_json_ld_nodes(document.json_ld))
    articles = [node for node in nodes if _types(node) & _ARTICLE_TYPES]
    found.types = frozenset().union(*(_types(node) for node in nodes)) if nodes else frozenset()
    found.og_type = metas.get("og:type", [""])[0].lower() or None
    article = max(articles, key=_fullness, default={})

    _read_titles(found, article, metas, document.title)
    _read_byline(found, article, metas)
    found.lang = _language(document, metas, article)
    _read_date(found, article, metas, document, zone_of(found.lang, zone))
    _first(
        found,
        "section",
        [
            ("json-ld", _text(article.get("articleSection"))),
            *_from(metas, "article:section", "section", "cxenseparse:category"),
        ],
    )
    _first(
        found,
        "site_name",
        [*_from(metas, "og:site_name", "application-name"), ("json-ld", _text(article.get("publisher")))],
    )
    _read_url(found, metas, document, url)
    body = article.get("articleBody")
    found.body = body if isinstance(body, str) else None
    tiers = list(_from(metas, "article:content_tier", "article_content_tier"))
    free = next(
        (flag for node in [article, *nodes] if (flag := _flag(node.get("isAccessibleForFree"))) is not None), None
    )
    if free is None:
        free = next(
            (flag for value in metas.get("isaccessibleforfree", []) if (flag := _flag(value)) is not None), None
        )
    found.signs = AccessSigns(free, (tiers[0][1] or "").lower() if tiers else None)
    return found


def zone_of(lang: str, zone: str | tzinfo | None) -> str | tzinfo:
    """The zone of an outlet's clocks: as given, else Japan's for Japanese, else UTC."""
    return zone if zone is not None else "Asia/Tokyo" if lang == "ja" else "UTC"


def looks_like_byline(text: str) -> bool:
    """Whether a line above the body reads like `By Jane Doe`: the word and names."""
    prefix = _BYLINE_PREFIX.match(text)
    if prefix is None or len(text) > 100 or text.endswith((".", "。", "?", "!")):
        return False
    names = text[prefix.end() :].split()
    capitals = sum(name[0].isupper() or not name[0].isascii() for name in names)
    return 0 < len(names) <= 12 and ":" not in text[prefix.end() :] and capitals * 3 >= len(names) * 2


def looks_like_date(text: str) -> bool:
    """Whether a line is a date and little else."""
    if len(text) > 80 or not any(map(str.isdigit, text)):
        return False
    rest = re.sub(r"[\d\W_]+", " ", _DATE_WORDS.sub(" ", text)).split()
    return len(rest) <= 3 and parse_date(text, "UTC") is not None


def names_of_byline(text: str) -> tuple[str, ...]:
    """The people that a visible byline names."""
    text = _BYLINE_PREFIX.sub("", text)
    parts = re.split(r"\s*(?:,|、|\band\b|&)\s*", text)
    return tuple(part for part in (normal_text(part) for part in parts) if part)


def _people(text: str) -> tuple[str, ...]:
    """The people in one name of a machine-readable author: more than one only where each has two words."""
    names = names_of_byline(text)
    return names if all(" " in name for name in names) else (text,)


def title_parts(title: str) -> list[str]:
    """A document title cut at its separators."""
    return [part for part in (part.strip() for part in _TITLE_SEPARATOR.split(title)) if part]


def language_of(text: str, declared: str = "") -> str:
    """ISO 639-1 code by script, else by declaration, else English for Latin text."""
    sample = text[:4000]
    letters = max(1, sum(map(str.isalpha, sample)))
    if len(_KANA.findall(sample)) * 20 > letters:
        return "ja"
    if len(_HANGUL.findall(sample)) * 5 > letters:
        return "ko"
    code = re.match(r"[a-z]{2}(?=$|[-_])", declared.strip().lower())
    if len(_HAN.findall(sample)) * 5 > letters:
        return code.group() if code and code.group() in ("ja", "zh") else "zh"
    if code:
        return code.group()
    words = re.findall(r"[a-z]+", sample.lower())
    return "en" if words and sum(word in _ENGLISH for word in words) * 8 > len(words) else "und"


def _json_ld_nodes(scripts: Iterable[str]) -> Iterator[dict[str, object]]:
    """Every object with a type in the page's JSON-LD, outermost first."""
    for script in scripts:
        if len(script) > _MAX_JSON:
            continue
        cleaned = (
            script.strip()
            .removeprefix("<![CDATA[")
            .removeprefix("<!--")
            .removesuffix("-->")
            .removesuffix("]]>")
            .strip()
            .rstrip(";")
        )
        try:
            data = json.loads(cleaned, strict=False)
        except (ValueError, RecursionError):
            continue
        pending: list[object] = [data]
        steps = 0
        while pending and steps < 5000:
            steps += 1
            value = pending.pop(0)
            if isinstance(value, list):
                pending.extend(value[:500])
            elif isinstance(value, dict):
                if "@type" in value:
                    yield value
                pending.extend(
                    inner
                    for key, inner in value.items()
                    if key in ("@graph", "mainEntity", "mainEntityOfPage", "itemListElement")
                    and isinstance(inner, (dict, list))
                )


def _types(node: dict[str, object]) -> frozenset[str]:
    kinds = node.get("@type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return frozenset(kind.rsplit("/", 1)[-1].lower() for kind in kinds if isinstance(kind, str))


def _fullness(node: dict[str, object]) -> int:
    return sum(bool(node.get(key)) for key in ("headline", "datePublished", "author", "articleBody"))


def _text(value: object) -> str | None:
    """The text of a JSON-LD value: itself, its name, or that of its first member."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            value = value.get("name") or value.get("@value")
    return normal_text(unescape(value)) or None if isinstance(value, str) else None


def unescape(text: str) -> str:
    """`text` without HTML entities, which some sites leave in their JSON."""
    return html.unescape(text) if "&" in text else text


def _from(metas: dict[str, list[str]], *names: str) -> list[tuple[str, str | None]]:
    return [(name, metas[name][0]) for name in names if name in metas]


def _first(found: Metadata, name: str, values: Iterable[tuple[str, str | None]]) -> None:
    for where, value in values:
        if value and len(value) <= 200:
            setattr(found, name, value)
            found.provenance[name] = where
            return


def _read_titles(found: Metadata, article: dict[str, object], metas: dict[str, list[str]], title: str) -> None:
    candidates = [
        ("json-ld", _text(article.get("headline"))),
        *_from(metas, "og:title", "twitter:title", "dc.title", "headline", "title"),
        ("title", title or None),
    ]
    found.titles = [(text, where) for where, text in candidates if text and len(text) <= 400]


def _read_byline(found: Metadata, article: dict[str, object], metas: dict[str, list[str]]) -> None:
    authors = article.get("author")
    people = authors if isinstance(authors, list) else [authors]
    names = [name for person in people if (text := _text(person)) for name in _people(text)]
    where = "json-ld"
    if not names:
        for key in (
            "author",
            "article:author",
            "byl",
            "dc.creator",
            "parsely-author",
            "sailthru.author",
            "dcterms.creator",
            "cxenseparse:author",
        ):
            values = [value for value in metas.get(key, []) if not value.startswith(("http:", "https:", "/", "@"))]
            if values:
                names, where = [name for value in values for name in names_of_byline(value)], key
                break
    names = [name for name in dict.fromkeys(names) if len(name) <= 80 and not name.startswith(("http", "@"))]
    outlet = {_text(article.get("publisher")), *metas.get("og:site_name", [])}
    organized = all(isinstance(person, dict) and "organization" in _types(person) for person in people)
    found.byline_is_outlet = organized or set(names) <= outlet
    if names:
        found.byline, found.provenance["byline"] = tuple(names[:20]), where


def _read_date(
    found: Metadata, article: dict[str, object], metas: dict[str, list[str]], document: Document, zone: str | tzinfo
) -> None:
    candidates: list[tuple[str, str | None]] = [("json-ld", _text(article.get("datePublished")))]
    candidates += _from(metas, *_DATE_METAS)
    candidates += [("time", stamp) for stamp, _, _ in document.times[:3] if stamp]
    candidates += [("time", normal_text(text)) for _, text, _ in document.times[:3] if text]
    for where, raw in candidates:
        if raw and (moment := parse_date(raw, zone)) is not None:
            found.published_at, found.published_raw, found.provenance["published_at"] = moment, raw, where
            return


def _language(document: Document, metas: dict[str, list[str]], article: dict[str, object]) -> str:
    text = " ".join(block.text for block in document.blocks if len(block.text) > 60)[:4000]
    if not text:
        text = " ".join(block.text for block in document.blocks)[:4000]
    declared = (
        document.lang
        or _text(article.get("inLanguage"))
        or metas.get("og:locale", [""])[0]
        or metas.get("content-language", [""])[0]
    )
    return language_of(text, declared)


def _read_url(found: Metadata, metas: dict[str, list[str]], document: Document, url: str | None) -> None:
    candidates = [("canonical", href) for rel, href in document.links if "canonical" in rel.split()]
    candidates += [("og:url", value) for value in metas.get("og:url", [])[:1]]
    for where, href in candidates:
        try:
            absolute = urljoin(url or "", href.strip())
            parts = urlsplit(absolute)
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.netloc and (parts.path.strip("/") or parts.query):
            found.url, found.provenance["url"] = absolute, where
            return
    found.url = url


def _flag(value: object) -> bool | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return None
