"""The steps of a run, in order: poll, choose what is due, fetch, keep, interpret, append.

Flows and the `import` command are short lists of these calls. Each step takes the clock, the door and the values it
works on, so each can be tried by hand. Raw first: what was fetched is in the warehouse before anything reads it, and
`interpret` works from what is kept, so a run that was killed in between is finished by the next one.
"""

from __future__ import annotations

import json
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from alliancewatch._version import __version__
from alliancewatch.boilerplate import BoilerplateRules
from alliancewatch.classify import Classifier
from alliancewatch.codings import charset_of
from alliancewatch.discover import FeedDocument, read_feed
from alliancewatch.extract import EXTRACTOR_VERSION, Page, clean_page
from alliancewatch.model import (
    FAILED_OUTCOMES,
    PARTIAL_ACCESS,
    Access,
    AccessStatus,
    Article,
    Candidate,
    CandidateOutcome,
    Capture,
    Exchange,
    FetchOutcome,
    LabelledArticle,
    LostCapture,
    Outcome,
    Paragraph,
    Poll,
    Response,
    Versions,
    article_id_of,
)
from alliancewatch.sources import IMPORTED, SourceCatalogue
from alliancewatch.urls import canonical_url

if TYPE_CHECKING:
    from alliancewatch.fetch import Fetcher
    from alliancewatch.settings import IngestSettings
    from alliancewatch.warehouse import KnownUrl

T = TypeVar("T")
R = TypeVar("R")

ITEM_TYPE = "application/vnd.alliancewatch.item+json"
"""Media type of the capture of a `headline_only` source: the feed's item instead of the page."""


@dataclass(frozen=True, slots=True)
class FeedVerdict:
    """A response to a feed request, with the feed it holds when it holds one."""

    outcome: FetchOutcome
    reason: str
    document: FeedDocument | None = None


@dataclass(frozen=True, slots=True)
class PageVerdict:
    """A response to a page request, with the article it holds when it holds one."""

    outcome: FetchOutcome
    reason: str
    article: Article | None = None


def judge_feed(response: Response, *, zone: str) -> FeedVerdict:
    """Whether the response is a feed. An error page served at a feed's address is `reject`, never an empty feed."""
    if response.outcome is not FetchOutcome.OK:
        return FeedVerdict(response.outcome, response.reason)
    document = read_feed(response.body, base_url=response.final_url, headers=dict(response.headers), zone=zone)
    if not document.is_feed:
        return FeedVerdict(FetchOutcome.REJECT, f"not a feed: {'; '.join(document.problems) or 'no entries'}")
    return FeedVerdict(FetchOutcome.OK, response.reason, document)


def judge_page(response: Response) -> PageVerdict:
    """Whether the response is an article. Walls and other pages are `reject` with their kind as the reason."""
    if response.outcome is not FetchOutcome.OK:
        return PageVerdict(response.outcome, response.reason)
    page = clean_page(response.body, response.final_url, declared_charset=response.charset)
    if page.verdict != "article":
        return PageVerdict(FetchOutcome.REJECT, page.reason)
    return PageVerdict(FetchOutcome.OK, response.reason, page.article)


def choose_due(
    candidates: Sequence[Candidate],
    known: Mapping[str, KnownUrl],
    settings: IngestSettings,
    *,
    now: datetime,
    since: datetime | None = None,
) -> list[Candidate]:
    """The candidates to fetch now, at most `max_pages_per_source` of a source.

    Unknown addresses; and known ones young enough to be edited still, when their last fetch is old enough. With
    `since`, only those whose date is unknown or not before it.
    """
    due: list[Candidate] = []
    taken: Counter[str] = Counter()
    for candidate in candidates:
        state = known.get(candidate.canonical_url)
        if since is not None and candidate.published_at is not None and candidate.published_at < since:
            continue
        if state is not None and not (
            state.last_fetched_at <= now - timedelta(hours=settings.refetch_after_h)
            and state.first_fetched_at >= now - timedelta(days=settings.refetch_days)
        ):
            continue
        if taken[candidate.source_id] < settings.max_pages_per_source:
            taken[candidate.source_id] += 1
            due.append(candidate)
    return due


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of asking for a candidate."""

    result: Capture | CandidateOutcome
    """The capture to keep, or how the candidate ended without one."""
    exchanges: tuple[Exchange, ...] = ()
    """The answers met on the way, the one that is the capture left out."""


def fetch_candidates(
    candidates: Sequence[Candidate],
    sources: SourceCatalogue,
    known: Mapping[str, KnownUrl],
    fetcher: Fetcher,
    *,
    workers: int,
) -> Iterator[Arrival]:
    """For each candidate, as it comes in, what came of asking for it.

    Hosts are fetched from side by side, one host's pages one after the other.
    """

    def bring(candidate: Candidate) -> Arrival:
        source = sources.get(candidate.source_id)
        if source is not None and source.mode == "headline_only":
            return Arrival(_item_capture(candidate))
        state = known.get(candidate.canonical_url)
        response = fetcher.fetch(
            candidate.url,
            etag=state.etag if state else None,
            last_modified=state.last_modified if state else None,
        )
        result = capture_of(candidate, response)
        return Arrival(result, response.exchanges[:-1] if isinstance(result, Capture) else response.exchanges)

    def bring_safely(candidate: Candidate) -> Arrival:
        try:
            return bring(candidate)
        except Exception as error:
            return Arrival(_quarantined(candidate.source_id, candidate.url, error, found_in=candidate.found_in))

    yield from side_by_side(
        bring_safely, candidates, lane=lambda candidate: urlsplit(candidate.url).netloc, workers=workers
    )


def side_by_side(work: Callable[[T], R], items: Iterable[T], *, lane: Callable[[T], str], workers: int) -> Iterator[R]:
    """The results as they are ready: lanes (hosts) side by side, the items of one lane one after the other."""
    lanes: defaultdict[str, list[T]] = defaultdict(list)
    for item in items:
        lanes[lane(item)].append(item)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        running = {pool.submit(work, queue[0]): (queue, 0) for queue in lanes.values()}
        while running:
            ready, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                queue, index = running.pop(future)
                if index + 1 < len(queue):
                    running[pool.submit(work, queue[index + 1])] = (queue, index + 1)
                yield future.result()


def capture_of(candidate: Candidate, response: Response) -> Capture | CandidateOutcome:
    """The response as it is kept, or, when it brought no page, how the candidate ended."""
    if response.outcome is FetchOutcome.OK:
        return Capture(
            source_id=candidate.source_id,
            url=candidate.url,
            final_url=response.final_url,
            fetched_at=response.fetched_at,
            status=response.status,
            content_type=response.content_type,
            headers=response.headers,
            body=response.body,
            candidate=candidate,
        )
    ended = {
        FetchOutcome.NOT_MODIFIED: Outcome.NOT_MODIFIED,
        FetchOutcome.RETRY: Outcome.RETRY,
        FetchOutcome.GONE: Outcome.GONE,
        FetchOutcome.REJECT: Outcome.REJECTED,
        FetchOutcome.BLOCKED: Outcome.BLOCKED,
    }[response.outcome]
    return CandidateOutcome(candidate.source_id, candidate.url, ended, response.reason, found_in=candidate.found_in)


def _item_capture(candidate: Candidate) -> Capture:
    item = {
        "link": candidate.url,
        "title": candidate.title,
        "published_raw": candidate.published_raw,
        "published_at": candidate.published_at.isoformat() if candidate.published_at else None,
        "summary": candidate.summary,
    }
    return Capture(
        source_id=candidate.source_id,
        url=candidate.url,
        final_url=candidate.url,
        fetched_at=candidate.found_at,
        status=None,
        content_type=ITEM_TYPE,
        headers=(),
        body=json.dumps(item, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace"),
        candidate=candidate,
    )


def versions_of(rules: str, taxonomy: str) -> Versions:
    """The present program with those versions of the cleaner's rules and of the taxonomy."""
    return Versions(program=__version__, extractor=EXTRACTOR_VERSION, rules=rules, taxonomy=taxonomy)


@dataclass(frozen=True)
class Interpreter:
    """Turns captures into labelled articles under one set of rules; the same capture always gives the same result."""

    sources: SourceCatalogue
    rules: BoilerplateRules
    classifier: Classifier

    @property
    def versions(self) -> Versions:
        """What the rows it makes are made by."""
        return versions_of(self.rules.version, self.classifier.version)

    def interpret(self, capture: Capture) -> LabelledArticle | CandidateOutcome:
        """The article with its labels, or how the candidate ended.

        An exception of ours ends it `quarantined`, as do bytes that the archive does not give back.
        """
        if isinstance(capture, LostCapture):
            return CandidateOutcome(
                capture.source_id,
                capture.url,
                Outcome.QUARANTINED,
                capture.problem,
                capture_id=capture.capture_id,
                found_in=capture.found_in,
            )
        try:
            return self._interpret(capture)
        except Exception as error:
            return _quarantined(
                capture.source_id, capture.url, error, found_in=capture.found_in, capture_id=capture.capture_id
            )

    def _interpret(self, capture: Capture) -> LabelledArticle | CandidateOutcome:
        source_id = capture.source_id
        if capture.content_type == ITEM_TYPE:
            article = _article_of_item(capture)
        else:
            page = self._clean(capture, source_id)
            if source_id == IMPORTED and page.article.url:
                # A saved page tells its address only once it is read; its source then tells the zone of its dates.
                source_id = source_of(page.article.url, None, self.sources)
                if source_id != IMPORTED:
                    page = self._clean(capture, source_id)
            if page.verdict != "article":
                ended = {
                    "walled": Outcome.WALLED,
                    "not_article": Outcome.NOT_ARTICLE,
                    "unreadable": Outcome.REJECTED,
                }[page.verdict]
                return CandidateOutcome(
                    source_id,
                    capture.url,
                    ended,
                    page.reason,
                    capture_id=capture.capture_id,
                    found_in=capture.found_in,
                )
            article = page.article
        article = self._completed(article, capture, source_id)
        labels = self.classifier.classify(article.title, article.text, article.lang)
        return LabelledArticle(
            source_id=source_id,
            article_id=article_id_of(article.url or capture.url),
            capture_id=capture.capture_id,
            url=capture.url,
            first_seen_at=capture.fetched_at,
            article=article,
            labels=labels,
            found_in=capture.found_in,
        )

    def _clean(self, capture: Capture, source_id: str) -> Page:
        source = self.sources.get(source_id)
        return clean_page(
            capture.body,
            capture.final_url or None,
            declared_charset=_header_charset(capture.headers),
            zone=source.zone if source else None,
            rules=self.rules,
        )

    def _completed(self, article: Article, capture: Capture, source_id: str) -> Article:
        """The article with what the page did not say and the feed or the source's entry does."""
        changes: dict[str, object] = {"url": _identity(article, capture)}
        provenance: list[tuple[str, str]] = []
        candidate, source = capture.candidate, self.sources.get(source_id)
        if candidate is not None:
            if article.title is None and candidate.title:
                changes["title"] = candidate.title
                provenance.append(("title", "feed"))
            if article.published_at is None and candidate.published_at is not None:
                changes["published_at"] = candidate.published_at
                changes["published_raw"] = candidate.published_raw
                provenance.append(("published_at", "feed"))
        if article.lang == "und" and source is not None:
            changes["lang"] = source.lang[0]
            provenance.append(("lang", "source"))
        changes["provenance"] = (*article.provenance, *provenance)
        return replace(article, **changes)  # type: ignore[arg-type]


def _identity(article: Article, capture: Capture) -> str:
    """The canonical address the article is known by.

    The page's own canonical link wins when it is on the host the page came from (or the page came from a file) and
    names more than the front page, which some outlets state on every page by mistake.
    """
    fetched = canonical_url(capture.final_url) or canonical_url(capture.url)
    stated = canonical_url(article.url) if article.url else None
    if stated is not None:
        parts = urlsplit(stated)
        same_site = fetched is None or parts.netloc == urlsplit(fetched).netloc
        if same_site and (parts.path not in ("", "/") or parts.query):
            return stated
    return fetched or capture.url


def _article_of_item(capture: Capture) -> Article:
    item = json.loads(capture.body)
    candidate = capture.candidate
    summary = item.get("summary")
    return Article(
        url=item["link"],
        title=item.get("title"),
        standfirst=None,
        byline=(),
        published_at=candidate.published_at if candidate else None,
        published_raw=item.get("published_raw"),
        lang="und",
        section=None,
        paragraphs=(Paragraph("p", summary),) if summary else (),
        captions=(),
        author_bio=None,
        access=Access(AccessStatus.TEASER, ("headline_only source: the feed's own summary",)),
        removed=(),
    )


def _header_charset(headers: Iterable[tuple[str, str]]) -> str | None:
    for name, value in headers:
        if name.lower() == "content-type":
            return charset_of(value)
    return None


def _quarantined(
    source_id: str, url: str, error: Exception, *, found_in: str | None, capture_id: str | None = None
) -> CandidateOutcome:
    return CandidateOutcome(
        source_id,
        url,
        Outcome.QUARANTINED,
        f"mistake of ours: {type(error).__name__}: {error}",
        capture_id=capture_id,
        found_in=found_in,
        trace="".join(traceback.format_exception(error)),
    )


@dataclass(frozen=True, slots=True)
class SourceTally:
    """One source's line in the table at the end of a run."""

    source_id: str
    polled: int
    unanswered: int
    """Looks at a feed, sitemap or listing that came to nothing."""
    fetched: int
    new: int
    revised: int
    partial: int
    failed: int
    reasons: tuple[str, ...]


def tally(polls: Iterable[Poll], outcomes: Iterable[CandidateOutcome]) -> list[SourceTally]:
    """One line a source, by id: what was looked at, what came, what failed and the reasons (each once)."""
    by_source: defaultdict[str, tuple[list[Poll], list[CandidateOutcome]]] = defaultdict(lambda: ([], []))
    for poll in polls:
        by_source[poll.source_id][0].append(poll)
    for outcome in outcomes:
        by_source[outcome.source_id][1].append(outcome)
    lines = []
    for source_id, (polled, ended) in sorted(by_source.items()):
        bad_polls = [poll for poll in polled if poll.outcome not in (FetchOutcome.OK, FetchOutcome.NOT_MODIFIED)]
        failed = [outcome for outcome in ended if outcome.outcome in FAILED_OUTCOMES]
        lines.append(
            SourceTally(
                source_id=source_id,
                polled=len(polled),
                unanswered=len(bad_polls),
                fetched=sum(outcome.capture_id is not None for outcome in ended),
                new=sum(outcome.outcome is Outcome.STORED for outcome in ended),
                revised=sum(outcome.outcome is Outcome.REVISED for outcome in ended),
                partial=sum(outcome.access in PARTIAL_ACCESS for outcome in ended),
                failed=len(failed) + len(bad_polls),
                reasons=tuple(dict.fromkeys([*(p.reason for p in bad_polls), *(o.reason for o in failed)])),
            )
        )
    return lines


def source_of(url: str | None, stated: str | None, sources: SourceCatalogue) -> str:
    """Source id of a saved page: the stated one (checked), else by host, else `imported`."""
    if stated is not None and stated != IMPORTED:
        return sources.choose([stated])[0].id
    found = sources.by_host(url) if url and stated is None else None
    return found.id if found else IMPORTED
