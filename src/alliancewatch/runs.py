"""An ingest run and an import from start to end, over the warehouse; each step is a method that a flow can call.

A run keeps what its steps hand on, so that a flow passes no page bodies between tasks. Write transactions are short:
everything is worked out first, then appended in batches.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar

from alliancewatch.archive import Archive
from alliancewatch.boilerplate import BoilerplateRules
from alliancewatch.classify import Classifier, Taxonomy
from alliancewatch.errors import ClockError, FetchError, RunInProgressError, UsageError
from alliancewatch.fetch import Fetcher
from alliancewatch.ingest import (
    Interpreter,
    SourceTally,
    choose_due,
    fetch_candidates,
    source_of,
    tally,
)
from alliancewatch.lease import hold_lease
from alliancewatch.model import (
    Candidate,
    CandidateOutcome,
    Capture,
    LabelledArticle,
    Outcome,
    Poll,
    Run,
    Versions,
)
from alliancewatch.polling import Answers, poll_sources
from alliancewatch.saved_pages import SavedPage, read_saved
from alliancewatch.warehouse import KnownUrl, Warehouse

if TYPE_CHECKING:
    from alliancewatch.settings import Config, IngestSettings
    from alliancewatch.sources import Source, SourceCatalogue

T = TypeVar("T")

Clock = Callable[[], datetime]

CLOCK_BOUNDS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC))
"""A clock without battery starts in 1970 or in the year it was made; one of 32 bits ends in January 2038."""

CLOCK_SLACK = timedelta(days=2)
"""How far the last row may lie ahead: more than a step of NTP, a wrong time zone, or another machine's clock."""


def require_plausible_clock(config: Config, now: datetime) -> None:
    """Raises `ClockError` if `now`, by the machine's clock, cannot be: out of all bounds, or long before the last row.

    What is recorded with a wrong time never leaves the history. For runs by the clock only, not for replays.
    """
    if not config.settings.warehouse.check_clock:
        return
    first, end = CLOCK_BOUNDS
    expected = f"expected {first.year} to {end.year - 1}"
    is_plausible = first <= now < end
    if is_plausible and config.warehouse_path.exists():
        span = open_warehouse(config).recorded_span()
        if span is not None:
            expected = f"the warehouse's last row was recorded at {span[1].isoformat(timespec='seconds')}"
            is_plausible = span[1] - now <= CLOCK_SLACK
    if not is_plausible:
        raise ClockError(
            f"the clock cannot be right, nothing was done: {now.isoformat(timespec='seconds')}: {expected}",
            hint="set the clock; if it is the row that is wrong, set ALLIANCEWATCH_WAREHOUSE_CHECK_CLOCK=false",
        )


def open_warehouse(config: Config) -> Warehouse:
    """The home's warehouse; nothing is created before something is written."""
    return Warehouse(
        config.warehouse_path,
        snapshot=config.snapshot_path,
        archive=Archive(config.archive_path),
        wait_s=config.settings.warehouse.wait_s,
    )


def existing_warehouse(config: Config) -> Warehouse:
    """The home's warehouse, which must be there. Raises `UsageError`."""
    if not config.warehouse_path.exists():
        raise UsageError(
            f"no warehouse: `{config.warehouse_path}`: there is no such file",
            hint="run `alliancewatch ingest` or `import` first",
        )
    return open_warehouse(config)


def interpreter_of(config: Config) -> Interpreter:
    """The cleaner's rules and the classifier that `config` asks for. Raises `ConfigError`."""
    return Interpreter(
        sources=config.sources,
        rules=config.read("boilerplate.yaml", BoilerplateRules),
        classifier=Classifier(config.read("topics.yaml", Taxonomy)),
    )


def require_whole_config(config: Config) -> None:
    """Raises `ConfigError` for a mistake in a config file that this run does not need, but the next digest does."""
    from alliancewatch.digest import DigestSettings

    config.read("digest.yaml", DigestSettings)


def new_run(kind: Literal["ingest", "import", "digest", "reclean"], versions: Versions, started_at: datetime) -> Run:
    """A run that begins at `started_at`; its id sorts by time."""
    run_id = f"{started_at:%Y%m%dT%H%M%S}-{kind}-{uuid.uuid4().hex[:8]}"
    return Run(run_id=run_id, kind=kind, started_at=started_at, versions=versions)


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended: its outcomes counted, and one line a source."""

    run_id: str
    counts: tuple[tuple[str, int], ...]
    """(outcome, how many), most frequent first; they add up to the run's candidates."""
    sources: tuple[SourceTally, ...]

    @property
    def failed(self) -> bool:
        """Whether something that was wanted did not come."""
        return any(line.failed for line in self.sources)

    def require_answers(self) -> None:
        """Raises `FetchError` when sources were looked at and none answered: it is then us, or the network."""
        looked_at = [line for line in self.sources if line.polled]
        if looked_at and all(line.unanswered == line.polled for line in looked_at):
            raise FetchError(
                f"no source answered: `{self.run_id}`: all {len(looked_at)} failed, "
                f"{looked_at[0].source_id} with: {'; '.join(looked_at[0].reasons)}",
                hint="look at the network and the proxy; `alliancewatch fetch URL` shows what one address answers",
            )


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at all sources brought."""

    polls: list[Poll]
    due: list[Candidate]
    known: Mapping[str, KnownUrl]
    """Canonical address to what the warehouse knows of it."""


def look_for_due(
    sources: Sequence[Source],
    fetcher: Fetcher,
    warehouse: Warehouse | None,
    settings: IngestSettings,
    *,
    clock: Clock,
    keep: Callable[[Answers], None],
    since: datetime | None = None,
) -> Looked:
    """Polls the sources, hosts side by side, and chooses what to fetch. Stores nothing; `keep` may.

    Without a warehouse all is new.
    """
    states = warehouse.feed_states() if warehouse else {}
    polls, found = poll_sources(sources, fetcher, states, clock=clock, keep=keep, workers=settings.workers)
    known = warehouse.known_urls([candidate.canonical_url for candidate in found]) if warehouse else {}
    in_order = sorted(found, key=lambda candidate: (candidate.source_id, candidate.canonical_url))
    return Looked(polls, choose_due(in_order, known, settings, now=clock(), since=since), known)


class IngestRun(AbstractContextManager["IngestRun"]):
    """One ingest run. Call `poll`, `fetch`, `interpret`, `finish` in this order, inside `with`.

    `clock` is the run's time; `on_stored` is told each article id once its row is durable.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        source_ids: Sequence[str] = (),
        since: datetime | None = None,
        on_stored: Callable[[str], None] | None = None,
    ) -> None:
        require_whole_config(config)
        self._config = config
        self._settings = config.settings.ingest
        self._clock = clock
        self._since = since
        self._on_stored = on_stored
        self._sources = config.sources.choose(source_ids)
        self._interpreter = interpreter_of(config)
        self._warehouse = open_warehouse(config)
        self._fetcher = Fetcher(config.settings.fetch, clock=clock)
        self._held = ExitStack()
        self._run = new_run("ingest", self._interpreter.versions, clock())
        self._candidates: list[Candidate] = []
        self._known: Mapping[str, KnownUrl] = {}
        self._polls: list[Poll] = []
        self._outcomes: list[CandidateOutcome] = []

    def __enter__(self) -> IngestRun:
        with ExitStack() as held:
            held.enter_context(hold_lease(self._config.home, "ingest"))
            held.enter_context(self._fetcher)
            self._warehouse.ensure()
            self._warehouse.begin_run(
                self._run,
                configs=self._config.contents,
                sources=self._config.sources.sources,
                recorded_at=self._clock(),
            )
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            if error is not None:
                self._warehouse.end_run(
                    self._run.run_id, status="failed", counts=self._counts(), recorded_at=self._clock()
                )

    def poll(self) -> int:
        """Looks at every feed, sitemap and listing; returns how many candidates are due."""
        looked = look_for_due(
            self._sources,
            self._fetcher,
            self._warehouse,
            self._settings,
            clock=self._clock,
            keep=self._keep,
            since=self._since,
        )
        self._polls, self._candidates, self._known = looked.polls, looked.due, looked.known
        self._warehouse.append_polls(self._run.run_id, self._polls, recorded_at=self._clock())
        return len(self._candidates)

    def fetch(self) -> int:
        """Fetches what is due and keeps each response at once; returns how many pages came."""
        came = 0
        arrivals = fetch_candidates(
            self._candidates,
            self._config.sources,
            self._known,
            self._fetcher,
            workers=self._settings.workers,
        )
        for batch in in_batches(arrivals, self._settings.batch_size):
            results = [arrival.result for arrival in batch]
            captures = [result for result in results if isinstance(result, Capture)]
            self._warehouse.append_captures(
                self._run.run_id,
                captures,
                recorded_at=self._clock(),
                exchanges=[(arrival.result.source_id, exchange) for arrival in batch for exchange in arrival.exchanges],
            )
            self._append([result for result in results if isinstance(result, CandidateOutcome)])
            came += len(captures)
        return came

    def interpret(self) -> int:
        """Cleans and labels every capture that has no outcome yet, also of a run that was killed; returns how many.

        What an import that is going on has kept is left to it.
        """
        done = self._interpret_pending(skip_imports=True)
        with suppress(RunInProgressError), hold_lease(self._config.home, "import"):
            done += self._interpret_pending(skip_imports=False)
        return done

    def finish(self) -> RunReport:
        """Ends the run, publishes the snapshot and returns the report."""
        self._warehouse.end_run(self._run.run_id, status="done", counts=self._counts(), recorded_at=self._clock())
        self._warehouse.publish()
        return RunReport(self._run.run_id, tuple(self._counts().items()), tuple(tally(self._polls, self._outcomes)))

    def _interpret_pending(self, *, skip_imports: bool) -> int:
        done = 0
        while captures := self._warehouse.pending_captures(limit=self._settings.batch_size, skip_imports=skip_imports):
            self._append([self._interpreter.interpret(capture) for capture in captures])
            done += len(captures)
        return done

    def _keep(self, answers: Answers) -> None:
        self._warehouse.append_captures(self._run.run_id, [], recorded_at=self._clock(), exchanges=answers)

    def _append(self, results: Sequence[LabelledArticle | CandidateOutcome]) -> None:
        outcomes = self._warehouse.append_results(
            self._run.run_id, results, versions=self._run.versions, recorded_at=self._clock()
        )
        self._outcomes.extend(outcomes)
        _tell_stored(outcomes, self._on_stored)

    def _counts(self) -> dict[str, int]:
        return count_outcomes(self._outcomes)


@dataclass(frozen=True, slots=True)
class ImportedPage:
    """One saved page with how it ended."""

    name: str
    """The file, or record of an archive."""
    result: CandidateOutcome


def import_pages(
    config: Config,
    files: Iterable[Path],
    *,
    clock: Clock,
    url: str | None = None,
    source_id: str | None = None,
    fetched_at: datetime | None = None,
    on_stored: Callable[[str], None] | None = None,
) -> Iterator[ImportedPage]:
    """Takes saved pages through the steps of an ingest run, and says of each how it ended, once it is durable.

    `fetched_at` is when the pages were fetched, and from when they count as known; without it, the archive's own
    time, else the present. A page that was captured before, byte for byte, is not captured again. One import at a
    time: another waits its turn, and raises `RunInProgressError` when that takes longer than for the warehouse.
    """
    with hold_lease(config.home, "import", wait_s=config.settings.warehouse.wait_s):
        yield from _import_all(
            config, files, clock=clock, url=url, source_id=source_id, fetched_at=fetched_at, on_stored=on_stored
        )


def _import_all(
    config: Config,
    files: Iterable[Path],
    *,
    clock: Clock,
    url: str | None,
    source_id: str | None,
    fetched_at: datetime | None,
    on_stored: Callable[[str], None] | None,
) -> Iterator[ImportedPage]:
    require_whole_config(config)
    interpreter = interpreter_of(config)
    warehouse = open_warehouse(config)
    run = new_run("import", interpreter.versions, fetched_at or clock())
    warehouse.ensure()
    warehouse.begin_run(run, configs=config.contents, sources=config.sources.sources, recorded_at=clock())
    outcomes: list[CandidateOutcome] = []
    status = "failed"
    try:
        pages = (page for file in files for page in read_saved(file))
        for batch in in_batches(pages, config.settings.ingest.batch_size):
            captures = [
                capture_of_saved(
                    page,
                    config.sources,
                    url=url,
                    source_id=source_id,
                    fetched_at=fetched_at or page.fetched_at or clock(),
                )
                for page in batch
            ]
            for imported in _import_batch(
                batch,
                captures,
                run,
                warehouse=warehouse,
                interpreter=interpreter,
                clock=clock,
                known_at=fetched_at,
            ):
                outcomes.append(imported.result)
                _tell_stored([imported.result], on_stored)
                yield imported
        status = "done"
    finally:
        warehouse.end_run(run.run_id, status=status, counts=count_outcomes(outcomes), recorded_at=clock())
    warehouse.publish()


def _import_batch(
    pages: Sequence[SavedPage],
    captures: Sequence[Capture],
    run: Run,
    *,
    warehouse: Warehouse,
    interpreter: Interpreter,
    clock: Clock,
    known_at: datetime | None,
) -> Iterator[ImportedPage]:
    """Raw first, then the results; the outcomes in the order of the pages."""
    readable = [capture for page, capture in zip(pages, captures, strict=True) if page.problem is None]
    kept = warehouse.append_saved(run.run_id, readable, recorded_at=clock(), known_at=known_at)
    waiting = iter(kept)
    results: list[LabelledArticle | CandidateOutcome] = [
        interpreter.interpret(next(waiting))
        if page.problem is None
        else CandidateOutcome(capture.source_id, capture.url, Outcome.REJECTED, page.problem)
        for page, capture in zip(pages, captures, strict=True)
    ]
    outcomes = warehouse.append_results(
        run.run_id,
        [replace(result, found_in=page.name) for page, result in zip(pages, results, strict=True)],
        versions=run.versions,
        recorded_at=clock(),
        known_at=known_at,
    )
    for page, outcome in zip(pages, outcomes, strict=True):
        yield ImportedPage(page.name, outcome)


def capture_of_saved(
    page: SavedPage, sources: SourceCatalogue, *, url: str | None, source_id: str | None, fetched_at: datetime
) -> Capture:
    """The saved page as a capture. Without any address it is known by its content: `urn:sha256:…`.

    The source is the one stated, else told by the address's host, else `imported`. Raises `UsageError` for an
    unknown source.
    """
    address = url or page.url
    return Capture(
        source_id=source_of(address, source_id, sources),
        url=address or f"urn:sha256:{sha256(page.body).hexdigest()}",
        final_url=address or "",
        fetched_at=fetched_at,
        status=page.status,
        content_type=page.content_type,
        headers=page.headers,
        body=page.body,
    )


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter."""
    waiting: list[T] = []
    for item in items:
        waiting.append(item)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def count_outcomes(outcomes: Iterable[CandidateOutcome]) -> dict[str, int]:
    """How many ended which way, most frequent first."""
    return dict(Counter(outcome.outcome.value for outcome in outcomes).most_common())


def _tell_stored(outcomes: Iterable[CandidateOutcome], on_stored: Callable[[str], None] | None) -> None:
    if on_stored is None:
        return
    for outcome in outcomes:
        if outcome.article_id is not None:
            on_stored(outcome.article_id)
