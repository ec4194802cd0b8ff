"""Polling: a look at every feed, sitemap and listing, and the candidates they offer.

Raw first here too: what came is handed to `keep` before anything reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from alliancewatch.discover import candidates_of, read_listing, read_sitemap
from alliancewatch.ingest import judge_feed, side_by_side
from alliancewatch.model import Candidate, Exchange, FetchOutcome, Poll, Response
from alliancewatch.sources import Source

if TYPE_CHECKING:
    from alliancewatch.fetch import Fetcher
    from alliancewatch.warehouse import FeedState

SITEMAP_DAYS = 7
"""A sitemap lists an outlet's whole stock; older entries than this are not offered."""

MAX_CHILD_SITEMAPS = 3

KEPT_AT_ONCE = 25
"""Responses that wait in memory, at 10 MB each at worst, until they are kept."""

Answers = Sequence[tuple[str, Exchange]]
"""(source id, answer one of its addresses gave)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source offers its articles."""

    source: Source
    url: str
    """As the source states it; its polls go by this address."""
    kind: Literal["feed", "sitemap", "listing"]
    child_url: str | None = None
    """The part of a sitemap index that is looked at."""

    @property
    def address(self) -> str:
        """What is asked for."""
        return self.child_url or self.url


def places_of(source: Source) -> list[Place]:
    """The source's feeds and sitemaps, and its listing where it has no feed."""
    listings = [source.listing] if source.listing and not source.feeds else []
    return [
        *(Place(source, url, "feed") for url in source.feeds),
        *(Place(source, url, "sitemap") for url in source.sitemaps),
        *(Place(source, url, "listing") for url in listings),
    ]


@dataclass(frozen=True, slots=True)
class Look:
    """What one response for a place says."""

    poll: Poll
    candidates: tuple[Candidate, ...] = ()
    children: tuple[Place, ...] = field(default=())
    """Parts of a sitemap index, to be looked at too."""


def poll_sources(
    sources: Sequence[Source],
    fetcher: Fetcher,
    states: Mapping[str, FeedState],
    *,
    clock: Callable[[], datetime],
    keep: Callable[[Answers], None],
    workers: int,
) -> tuple[list[Poll], list[Candidate]]:
    """One poll a place, in the order of the sources, and the candidates, each address once.

    Hosts are asked side by side. `keep` is given all answers before they are read.
    """

    def ask(place: Place) -> tuple[Place, Response | Poll]:
        state = states.get(place.url) if place.kind == "feed" else None
        try:
            response = fetcher.fetch(
                place.address,
                kind="page" if place.kind == "listing" else "feed",
                etag=state.etag if state else None,
                last_modified=state.last_modified if state else None,
            )
        except Exception as error:  # one bad address must not end the run
            return place, _failed(place, clock(), error)
        return place, response

    looks: dict[Place, Look] = {}
    waiting = [place for source in sources for place in places_of(source)]
    while waiting:
        answers = side_by_side(ask, waiting, lane=lambda place: urlsplit(place.address).netloc, workers=workers)
        waiting = []
        while batch := list(islice(answers, KEPT_AT_ONCE)):
            keep(
                [
                    (place.source.id, exchange)
                    for place, answer in batch
                    if isinstance(answer, Response)
                    for exchange in answer.exchanges
                ]
            )
            for place, answer in batch:
                looks[place] = read_place(place, answer) if isinstance(answer, Response) else Look(answer)
                waiting += looks[place].children
    return _joined([place for source in sources for place in places_of(source)], looks)


def read_place(place: Place, response: Response) -> Look:
    """What a response for that place says; a mistake of ours is the poll's reason."""
    try:
        return _READERS[place.kind](place, response)
    except Exception as error:  # one bad feed must not end the run
        return Look(_failed(place, response.fetched_at, error))


def _read_feed(place: Place, response: Response) -> Look:
    verdict = judge_feed(response, zone=place.source.zone)
    document = verdict.document
    poll = _poll(place, response, verdict.outcome, verdict.reason)
    if document is None:
        return Look(poll)
    # Validators are kept only from a body that parsed: else a broken body would be "not modified" for ever.
    return Look(
        replace(
            poll,
            entry_count=len(document.entries),
            dropped_count=document.dropped,
            etag=response.etag,
            last_modified=response.last_modified,
        ),
        tuple(candidates_of(place.source.id, document, found_in=place.url, found_at=response.fetched_at)),
    )


def _read_sitemap(place: Place, response: Response) -> Look:
    if response.outcome is not FetchOutcome.OK:
        return Look(_poll(place, response))
    sitemap = read_sitemap(response.body, base_url=response.final_url, zone=place.source.zone)
    if sitemap.format is None:
        return Look(_poll(place, response, FetchOutcome.REJECT, f"not a sitemap: {'; '.join(sitemap.problems)}"))
    oldest = response.fetched_at - timedelta(days=SITEMAP_DAYS)
    recent = tuple(
        candidate
        for candidate in candidates_of(place.source.id, sitemap, found_in=place.url, found_at=response.fetched_at)
        if candidate.published_at is not None and candidate.published_at >= oldest
    )
    children = () if place.child_url else sitemap.children[:MAX_CHILD_SITEMAPS]
    return Look(
        replace(_poll(place, response), entry_count=len(recent)),
        recent,
        tuple(replace(place, child_url=url) for url in children),
    )


def _read_listing(place: Place, response: Response) -> Look:
    if response.outcome is not FetchOutcome.OK:
        return Look(_poll(place, response))
    document = read_listing(response.body, base_url=response.final_url, charset=response.charset)
    found = candidates_of(place.source.id, document, found_in=place.url, found_at=response.fetched_at)
    return Look(replace(_poll(place, response), entry_count=len(found)), tuple(found))


_READERS: Mapping[str, Callable[[Place, Response], Look]] = {
    "feed": _read_feed,
    "sitemap": _read_sitemap,
    "listing": _read_listing,
}


def _joined(places: Sequence[Place], looks: Mapping[Place, Look]) -> tuple[list[Poll], list[Candidate]]:
    polls: list[Poll] = []
    candidates: dict[str, Candidate] = {}
    for place in places:
        whole = looks[place]
        parts = [whole, *(looks[child] for child in whole.children)]
        poll = whole.poll
        for part in parts[1:]:
            poll = replace(poll, entry_count=poll.entry_count + part.poll.entry_count)
            if part.poll.outcome is not FetchOutcome.OK and poll.outcome is FetchOutcome.OK:
                poll = replace(poll, outcome=part.poll.outcome, reason=part.poll.reason)
        known_count = len(candidates)
        for candidate in (candidate for part in parts for candidate in part.candidates):
            candidates.setdefault(candidate.canonical_url, candidate)
        polls.append(replace(poll, new_count=len(candidates) - known_count))
    return polls, list(candidates.values())


def _poll(place: Place, response: Response, outcome: FetchOutcome | None = None, reason: str | None = None) -> Poll:
    return Poll(place.source.id, place.url, response.fetched_at, outcome or response.outcome, reason or response.reason)


def _failed(place: Place, at: datetime, error: Exception) -> Poll:
    return Poll(
        place.source.id, place.url, at, FetchOutcome.REJECT, f"mistake of ours: {type(error).__name__}: {error}"
    )
