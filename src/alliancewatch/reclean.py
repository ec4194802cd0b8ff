"""Old pages under new rules: what the archive holds is interpreted again, and what comes out differently is appended.

Only the last capture of an article (or of an address that gave none) is taken: earlier revisions say what the page was.
What comes out the same adds no row, so a second run changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from alliancewatch.lease import hold_lease
from alliancewatch.model import CandidateOutcome, LabelledArticle, LostCapture, Outcome
from alliancewatch.runs import count_outcomes, existing_warehouse, in_batches, interpreter_of, new_run
from alliancewatch.warehouse import KeptResult, content_hash

if TYPE_CHECKING:
    from alliancewatch.settings import Config

_ARTICLE_OUTCOMES = frozenset({Outcome.STORED, Outcome.REVISED, Outcome.UNCHANGED})


@dataclass(frozen=True, slots=True)
class Change:
    """What is otherwise about one capture under the present rules; pairs are (before, after)."""

    capture_id: str
    url: str
    article_id: str | None
    outcome: str
    """How it ends now. In a dry run `changed` stands for `stored` and `revised`."""
    reason: str
    title: tuple[str | None, str | None] | None = None
    access: tuple[str | None, str | None] | None = None
    now_kept: tuple[str, ...] = ()
    """Blocks of the body that were not in it before."""
    no_longer_kept: tuple[str, ...] = ()
    now_cut: tuple[str, ...] = ()
    no_longer_cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """A capture whose bytes the archive does not give back; nothing was appended for it."""

    capture_id: str
    url: str
    problem: str
    is_gone: bool
    """Whether its file is not there any more, rather than damaged."""


def reclean(
    config: Config,
    *,
    clock: Callable[[], datetime],
    source_ids: Sequence[str] = (),
    since: datetime | None = None,
    dry_run: bool = False,
) -> Iterator[Change | Lost | None]:
    """For each capture taken, in the order fetched, what changed, None when nothing did, or that it is lost.

    A change is handed on once it is durable. With `dry_run` nothing is appended. Raises `RunInProgressError` while an
    ingest run is on, `UsageError` for an unknown source or where there is no warehouse.
    """
    chosen = [source.id for source in config.sources.choose(source_ids)] if source_ids else []
    interpreter = interpreter_of(config)
    warehouse = existing_warehouse(config)
    with hold_lease(config.home, "ingest"):
        run = new_run("reclean", interpreter.versions, clock())
        waiting = warehouse.newest_captures(source_ids=chosen, since=since)
        if not dry_run:
            warehouse.begin_run(run, configs=config.contents, sources=config.sources.sources, recorded_at=clock())
        outcomes: list[CandidateOutcome] = []
        status = "failed"
        try:
            for ids in in_batches(waiting, config.settings.ingest.batch_size):
                kept = warehouse.kept_results(ids)
                found: list[Change | Lost | None] = []
                results: list[LabelledArticle | CandidateOutcome] = []
                for capture in warehouse.read_captures(ids):
                    if isinstance(capture, LostCapture):
                        found.append(Lost(capture.capture_id, capture.url, capture.problem, capture.is_gone))
                        continue
                    result = interpreter.interpret(capture)
                    change = compare(kept[capture.capture_id], result)
                    found.append(change)
                    if change is not None:
                        results.append(result)
                if dry_run:
                    yield from found
                    continue
                ended = warehouse.append_results(run.run_id, results, versions=run.versions, recorded_at=clock())
                outcomes.extend(ended)
                by_capture = {outcome.capture_id: outcome for outcome in ended}
                for item in found:
                    yield _as_ended(item, by_capture[item.capture_id]) if isinstance(item, Change) else item
            status = "done"
        finally:
            if not dry_run:
                warehouse.end_run(run.run_id, status=status, counts=count_outcomes(outcomes), recorded_at=clock())
        if not dry_run:
            warehouse.publish()


def compare(kept: KeptResult, result: LabelledArticle | CandidateOutcome) -> Change | None:
    """What `result` makes otherwise than `kept` says; None when outcome, title and text are the same."""
    if isinstance(result, CandidateOutcome):
        if result.outcome is kept.outcome:
            return None
        return Change(
            capture_id=result.capture_id or "",
            url=result.url,
            article_id=kept.article_id,
            outcome=result.outcome.value,
            reason=f"was {kept.outcome}: {result.reason}",
        )
    article = result.article
    if kept.outcome in _ARTICLE_OUTCOMES and content_hash(article) == kept.content_hash:
        return None
    blocks = tuple(paragraph.text for paragraph in article.paragraphs)
    removed = tuple(removal.text for removal in article.removed)
    access = article.access.status.value
    return Change(
        capture_id=result.capture_id,
        url=result.url,
        article_id=result.article_id,
        outcome="changed",
        reason=f"was {kept.outcome}",
        title=None if article.title == kept.title else (kept.title, article.title),
        access=None if access == kept.access else (kept.access, access),
        now_kept=_without(blocks, kept.blocks),
        no_longer_kept=_without(kept.blocks, blocks),
        now_cut=_without(removed, kept.removed),
        no_longer_cut=_without(kept.removed, removed),
    )


def _as_ended(change: Change, outcome: CandidateOutcome) -> Change:
    return replace(change, outcome=outcome.outcome.value, reason=outcome.reason)


def _without(texts: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    taken = set(others)
    return tuple(text for text in texts if text not in taken)
