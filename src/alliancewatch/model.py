"""The nouns, as frozen values, in the order in which a story passes through them.

    Source → Candidate → Response → Capture → Article → LabelledArticle → rows → Digest → messages

A new type stands at each border, so a half-processed value cannot be handed on by mistake. Instants end in
`_at` and are aware, in UTC; durations end in `_s`; counts of characters are code points. `Source` lives in
`alliancewatch.sources` (it is read from a file), the digest's values in `alliancewatch.digest`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Literal

Language = str
"""ISO 639-1 code, or `und` when it cannot be told."""


class FetchOutcome(StrEnum):
    """What the fetch door says of one request."""

    OK = "ok"
    NOT_MODIFIED = "not_modified"
    RETRY = "retry"
    GONE = "gone"
    REJECT = "reject"
    BLOCKED = "blocked"


class Outcome(StrEnum):
    """How a candidate ended. Every candidate ends once, so a run's counts add up to its candidates."""

    STORED = "stored"
    REVISED = "revised"
    UNCHANGED = "unchanged"
    NOT_ARTICLE = "not_article"
    WALLED = "walled"
    NOT_MODIFIED = "not_modified"
    BLOCKED = "blocked"
    GONE = "gone"
    RETRY = "retry"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


FAILED_OUTCOMES = frozenset({Outcome.RETRY, Outcome.REJECTED, Outcome.QUARANTINED})
"""Outcomes that make a command end with exit code 1: something was wanted and did not come."""


class AccessStatus(StrEnum):
    """How much of the article the page holds."""

    FULL = "full"
    TEASER = "teaser"
    METERED = "metered"
    REGISTRATION = "registration"
    ADBLOCK_NOTICE = "adblock_notice"
    BLOCKED = "blocked"
    NOT_ARTICLE = "not_article"


PARTIAL_ACCESS = frozenset({AccessStatus.TEASER, AccessStatus.REGISTRATION, AccessStatus.ADBLOCK_NOTICE})
"""Statuses of an article of which only the opening is in hand."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address a feed, sitemap or listing offers, not fetched yet."""

    source_id: str
    url: str
    """As offered, made absolute."""
    canonical_url: str
    found_in: str
    """Address of the feed, sitemap or listing."""
    found_at: datetime
    guid: str | None = None
    title: str | None = None
    summary: str | None = None
    published_at: datetime | None = None
    published_raw: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the server's answer as it came."""

    kind: Literal["page", "feed", "robots"]
    """What was asked for; `feed` is a sitemap too."""
    url: str
    asked_at: datetime
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    """Decompressed."""
    is_whole: bool = False
    """Whether `body` is all there was: a redirect's is never read, an error page's at most in part, and one that is
    too large or breaks off is dropped.
    """

    @property
    def body_sha256(self) -> str:
        """Hex digest of the body."""
        return sha256(self.body).hexdigest()

    @property
    def exchange_id(self) -> str:
        """32 hex digits from address, time and answer."""
        key = "\n".join((self.kind, self.url, self.asked_at.isoformat(), str(self.status), self.body_sha256))
        return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Response:
    """What one request brought: always a value, whatever the web did."""

    url: str
    final_url: str
    outcome: FetchOutcome
    reason: str
    """One plain sentence for a person; the kind of wall or failure first."""
    fetched_at: datetime
    elapsed_s: float
    status: int | None = None
    content_type: str | None = None
    """Media type without parameters, in lower case."""
    charset: str | None = None
    """The charset the header declares, if any."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    """Decompressed; empty unless the outcome is `ok`."""
    retry_after_s: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    redirects: tuple[tuple[int, str], ...] = ()
    """(status, address that answered so), in the order met; all 301 or 308 means the address has moved for good."""
    exchanges: tuple[Exchange, ...] = ()
    """Every answer that came on the way, robots.txt and redirects among them, in the order received."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One look at a feed, sitemap or listing: what came of it."""

    source_id: str
    url: str
    polled_at: datetime
    outcome: FetchOutcome
    reason: str
    entry_count: int = 0
    new_count: int = 0
    """Entries whose address was not known before."""
    dropped_count: int = 0
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """A response as it is kept: the evidence everything else is made from."""

    source_id: str
    url: str
    final_url: str
    fetched_at: datetime
    status: int | None
    content_type: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    candidate: Candidate | None = None
    """What the feed said of it; None for a saved page."""

    @property
    def found_in(self) -> str | None:
        """The feed, sitemap or listing that offered it; None for a saved page."""
        return self.candidate.found_in if self.candidate else None

    @property
    def body_sha256(self) -> str:
        """Hex digest of the body."""
        return sha256(self.body).hexdigest()

    @property
    def capture_id(self) -> str:
        """32 hex digits from address, time and body: the same response imported twice is one capture."""
        key = "\n".join((self.source_id, self.url, self.fetched_at.isoformat(), self.body_sha256))
        return sha256(key.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class LostCapture(Capture):
    """A capture whose bytes cannot be read back from the archive: `body` is empty."""

    lost_id: str = ""
    """The id it was kept under."""
    problem: str = ""
    """What is wrong, naming file and offset."""
    is_gone: bool = False
    """Whether the file is not there any more, as after `archive prune`, rather than damaged."""

    @property
    def capture_id(self) -> str:
        """The id it was kept under, which its absent body cannot give."""
        return self.lost_id


ParagraphKind = Literal["p", "h", "li", "quote"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One block of the body: paragraph, subhead, list item or quotation."""

    kind: ParagraphKind
    text: str


@dataclass(frozen=True, slots=True)
class Removal:
    """One block of the page that was cut, and why."""

    text: str
    kind: str
    """One of `boilerplate.KINDS`, in capitals: SHARE, NAV, SUBSCRIBE, DUP, …"""
    rule: str
    """Name of the step, template or model that cut it."""
    evidence: str
    """What the rule saw: the phrase matched, the line repeated, the score."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A change made inside a kept block: which one, and both texts."""

    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Access:
    """How complete the text is, with what decided it."""

    status: AccessStatus
    evidence: tuple[str, ...] = ()
    remaining_chars: int | None = None
    total_chars: int | None = None


@dataclass(frozen=True, slots=True)
class Article:
    """What an editor would keep of a page, and the ledger of everything else.

    Every text block of the page is exactly once in a field or in `removed`.
    """

    url: str | None
    """Canonical address the page states, else the one it was fetched from."""
    title: str | None
    standfirst: str | None
    byline: tuple[str, ...]
    published_at: datetime | None
    published_raw: str | None
    lang: Language
    section: str | None
    paragraphs: tuple[Paragraph, ...]
    captions: tuple[str, ...]
    author_bio: str | None
    access: Access
    removed: tuple[Removal, ...]
    repairs: tuple[Repair, ...] = ()
    flags: tuple[str, ...] = ()
    """Remarks for an operator, such as `everything-cut`."""
    provenance: tuple[tuple[str, str], ...] = ()
    """(field, where it was read), such as `("title", "og:title")`."""
    site_name: str | None = None

    @property
    def text(self) -> str:
        """Standfirst, subheads and paragraphs in page order, joined by blank lines."""
        blocks = [self.standfirst] if self.standfirst else []
        return "\n\n".join([*blocks, *(paragraph.text for paragraph in self.paragraphs)])


@dataclass(frozen=True, slots=True)
class Evidence:
    """One hit of a term: `[start, end)` in code points of the field as it was given."""

    term: str
    """As it stands there, whatever its form in the taxonomy."""
    field: Literal["title", "text"]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TopicLabel:
    """One topic with the words that decided it."""

    topic_id: str
    score: float
    evidence: tuple[Evidence, ...]


Relevance = Literal["relevant", "borderline", "irrelevant"]


@dataclass(frozen=True, slots=True)
class Labels:
    """Relevance and topics of one article under one version of the taxonomy."""

    relevance: Relevance
    relevance_score: float
    """0 to 1."""
    topics: tuple[TopicLabel, ...]
    """Strongest first; empty when irrelevant."""
    primary: str | None
    taxonomy_version: str
    relevance_evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelledArticle:
    """An article of a known source with its labels: ready to be appended."""

    source_id: str
    article_id: str
    capture_id: str
    url: str
    """The candidate's address, which may differ from the article's canonical one."""
    first_seen_at: datetime
    article: Article
    labels: Labels
    found_in: str | None = None


@dataclass(frozen=True, slots=True)
class CandidateOutcome:
    """The one line that says how a candidate ended, and why."""

    source_id: str
    url: str
    outcome: Outcome
    reason: str
    capture_id: str | None = None
    article_id: str | None = None
    revision: int | None = None
    access: AccessStatus | None = None
    found_in: str | None = None
    trace: str | None = None
    """The trace of an exception of ours, for `quarantined`."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What made a row: the program, the extractor and its rules, the taxonomy."""

    program: str
    extractor: str
    rules: str
    taxonomy: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a flow or command; `started_at` is its clock, which an import or the demo may set."""

    run_id: str
    kind: Literal["ingest", "import", "digest", "reclean", "reclassify"]
    started_at: datetime
    versions: Versions
    parameters: tuple[tuple[str, str], ...] = field(default=())


class DeliveryState(StrEnum):
    """How far a digest has come to one recipient."""

    RESERVED = "reserved"
    """An exchange with the mail server begins; the last row of a run that was killed in it."""
    SENT = "sent"
    """The server took the message."""
    REFUSED = "refused"
    """It will not take it."""
    DEFERRED = "deferred"
    """It did not take it now and may later."""
    UNKNOWN = "unknown"
    """It was given the whole message and never said whether it took it."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A row of the delivery ledger: one before and one after each exchange with the mail server."""

    week: str
    recipient: str
    state: DeliveryState
    message_id: str
    run_id: str
    recorded_at: datetime
    stage: str | None = None
    """How far the exchange had come when it ended: connect, tls, auth, mail, rcpt, data or end."""
    code: int | None = None
    """The server's reply code (RFC 5321)."""
    detail: str = ""
    """What it said, in one line."""


def article_id_of(canonical_url: str) -> str:
    """24 hex digits that name an article for good: from the canonical address alone, never from cleaned text.

    An address under http and the same under https are one article.
    """
    return sha256(canonical_url.removeprefix("http:").removeprefix("https:").encode()).hexdigest()[:24]
