"""The digest's values: the rows it is made of, its settings, and the finished digest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from alliancewatch.model import AccessStatus, Language, Relevance, Versions
from alliancewatch.sanitize import safe_link

Redistribution = Literal["extract", "headline"]
"""What of a source's articles may be passed on: a short quotation, or only title, date and link."""


@dataclass(frozen=True, slots=True)
class DigestArticle:
    """An article as it was known at the digest's as-of: its newest revision and newest labels up to then."""

    article_id: str
    revision: int
    source_id: str
    source_name: str
    url: str
    title: str | None
    standfirst: str | None
    text: str
    lang: Language
    published_at: datetime | None
    first_seen_at: datetime
    access: AccessStatus
    remaining_chars: int | None
    total_chars: int | None
    relevance: Relevance
    relevance_score: float
    topics: tuple[tuple[str, float], ...]
    """(topic id, score), strongest first."""
    primary: str | None
    content_hash: str
    is_late: bool
    """Belongs to an earlier week, and was first seen after that week's digest was cut."""
    redistribution: Redistribution


@dataclass(frozen=True, slots=True)
class SourceCoverage:
    """What one watched source was expected to bring in the week, and what came."""

    source_id: str
    name: str
    expected_per_week: float | None
    polls_ok: int
    polls_failed: int
    came: int
    """New articles."""
    revised: int
    partial: int
    """New articles of which only the opening is in hand."""
    failed: tuple[tuple[str, int], ...]
    """(reason, how many candidates or polls ended with it)."""
    silent: bool
    """Looked at without failure, yet nothing came though something was expected."""


_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(localhost|([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)
_LIST_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+")
_MAILTO = re.compile(r"mailto:[^\s<>,]+")


def mail_address(text: str) -> str:
    """`text` as a bare mail address, its domain in lower case.

    ASCII only, since not every server takes others (RFC 6531 SMTPUTF8). Raises `ValueError` for anything else.
    """
    text = text.strip()
    if len(text) > 254 or not _ADDRESS.fullmatch(text):
        raise ValueError(f"not a mail address: {text[:80]!r}: expected one such as analyst@example.org")
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"


def _distinct(addresses: Sequence[str]) -> tuple[str, ...]:
    """One each, in the order given: no server in use today tells mailboxes apart by case."""
    kept: dict[str, str] = {}
    for address in addresses:
        kept.setdefault(address.lower(), address)
    return tuple(kept.values())


def _list_id(text: str) -> str:
    if len(text) > 200 or not _LIST_ID.fullmatch(text):
        raise ValueError(f"not a list id: {text[:80]!r}: expected a dotted name such as digest.example.org (RFC 2919)")
    return text


def _unsubscribe(text: str) -> str:
    if len(text) > 900 or not text.isascii() or not (_MAILTO.fullmatch(text) or safe_link(text)):
        raise ValueError(f"not an address to unsubscribe at: {text[:80]!r}: expected https:// or mailto:, ASCII only")
    return text


MailAddress = Annotated[str, AfterValidator(mail_address)]


class DigestSettings(BaseModel):
    """`config/digest.yaml`: what the digest shows and whom it goes to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=100)] = "US-Japan security digest"
    language: Literal["en", "ja"] = "en"
    """Of headings and notes; articles stay in their own."""
    max_per_topic: Annotated[int, Field(ge=1, le=50)] = 6
    max_items: Annotated[int, Field(ge=1, le=200)] = 30
    max_noted: Annotated[int, Field(ge=0, le=50)] = 10
    extract_sentences: Annotated[int, Field(ge=0, le=5)] = 2
    sender_name: Annotated[str, Field(max_length=100)] = "AllianceWatch"
    sender_address: MailAddress = "digest@alliancewatch.invalid"
    list_id: Annotated[str, AfterValidator(_list_id)] = "digest.alliancewatch.invalid"
    unsubscribe_url: Annotated[str, AfterValidator(_unsubscribe)] | None = None
    recipients: Annotated[
        tuple[MailAddress, ...],
        AfterValidator(_distinct),
        BeforeValidator(lambda value: () if value is None else value),
    ] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """Sentences quoted from an article, in its order."""

    passages: tuple[str, ...]
    """Verbatim pieces of its text; sentences that follow each other there are one piece."""
    cut: bool
    """The last one goes on in the article."""


@dataclass(frozen=True, slots=True)
class DigestAccess:
    """How much of the article is in hand."""

    status: AccessStatus
    remaining_chars: int | None
    total_chars: int | None
    missing_share: float | None
    """0 to 1; None unless the page states both counts."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Another outlet, or another address, that carries the same text."""

    article_id: str
    source_id: str
    source_name: str
    url: str


@dataclass(frozen=True, slots=True)
class Headline:
    """An article that is named only: borderline, or beyond what the digest shows."""

    article_id: str
    source_id: str
    source_name: str
    title: str
    url: str
    lang: Language


@dataclass(frozen=True, slots=True)
class DigestItem:
    """One article as the digest shows it."""

    article_id: str
    revision: int
    content_hash: str
    source_id: str
    source_name: str
    title: str
    url: str
    host: str
    lang: Language
    published_at: datetime | None
    first_seen_at: datetime
    access: DigestAccess
    relevance_score: float
    primary: str | None
    topics: tuple[str, ...]
    rank_score: float
    redistribution: Redistribution
    quote: Quote | None
    """None where the source allows the headline only, and where there is no sentence to quote."""
    also_in: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One topic of the week, best first."""

    topic_id: str
    name: str
    items: tuple[DigestItem, ...]
    more: tuple[Headline, ...]
    """Relevant too, but beyond the limits."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The digest in numbers. `read` is `relevant + borderline + irrelevant`; the rest are parts of `read`."""

    read: int
    relevant: int
    borderline: int
    irrelevant: int
    partial: int
    late: int
    shown: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is not shown, and why. With the articles shown, noted and named as copies these add up to the rows given."""

    irrelevant: int
    borderline: int
    over_limit: int
    outside_week: int
    after_as_of: int
    superseded: int
    """Older revisions of an article given more than once."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A week's digest: a function of its rows, as-of, settings and versions and of nothing else."""

    week: str
    start_at: datetime
    end_at: datetime
    as_of: datetime
    title: str
    language: Literal["en", "ja"]
    counts: Counts
    sections: tuple[Section, ...]
    late: Section | None
    noted: tuple[Headline, ...]
    left_out: LeftOut
    coverage: tuple[SourceCoverage, ...]
    versions: Versions

    @property
    def is_empty(self) -> bool:
        """Nothing relevant this week and nothing late."""
        return not self.sections and self.late is None
