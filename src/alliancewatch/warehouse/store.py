"""The warehouse as the rest of the program sees it: append facts, read them back, publish the snapshot.

Rows are only ever added. Each write is one short transaction; set-based, a few statements a batch whatever its size.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from alliancewatch.archive import Archive, Record, RecordPlace, Revisit
from alliancewatch.errors import WarehouseDamagedError, WarehouseError
from alliancewatch.model import (
    CandidateOutcome,
    Capture,
    DeliveryRecord,
    DeliveryState,
    Exchange,
    FetchOutcome,
    LabelledArticle,
    Outcome,
    Poll,
    Run,
    Versions,
)
from alliancewatch.sources import Source
from alliancewatch.warehouse.analyst import SqlFormat, run_sql
from alliancewatch.warehouse.connection import (
    CHECKPOINT_LOG_BYTES,
    OpenFile,
    damaged,
    log_of,
    open_file,
    open_snapshot,
    size_of,
)
from alliancewatch.warehouse.rows import (
    Row,
    article_row,
    capture_of,
    capture_row,
    compressed,
    exchange_row,
    header,
    headers_of,
    json_text,
    outcome_row,
    poll_row,
    storable,
    utc,
)
from alliancewatch.warehouse.schema import ensure_file, hash_of, sync_folder
from alliancewatch.warehouse.statements import sql, sql_files

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REVISITED_FOR = timedelta(days=30)
"""An answer that repeats one of this long ago is kept as a reference to it; after that its body is kept again, so that
`archive prune` of old files leaves none of the newer ones without bodies for long.
"""

READ_WAIT_S = 1.0
"""How long a reader waits for the writer before it is content with the last snapshot."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """What is known of a feed, sitemap or listing from earlier looks."""

    source_id: str
    url: str
    last_polled_at: datetime
    last_outcome: FetchOutcome
    last_ok_at: datetime | None
    etag: str | None
    """Validators of the last body that parsed."""
    last_modified: str | None
    failure_count: int
    """Looks since `last_ok_at` that brought nothing."""


@dataclass(frozen=True, slots=True)
class KnownUrl:
    """What is known of an address that was asked for before."""

    canonical_url: str
    first_fetched_at: datetime
    last_fetched_at: datetime
    etag: str | None
    """Validators of the last response, if it was an article."""
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class KeptResult:
    """What was made of a capture the last time it was interpreted; the texts are those of its article's present
    revision.
    """

    outcome: Outcome
    article_id: str | None
    content_hash: str | None
    title: str | None
    blocks: tuple[str, ...]
    removed: tuple[str, ...]
    access: str | None


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """How far the snapshot goes."""

    data_at: datetime
    """When the rows it holds were last added to."""
    is_current: bool
    reason: str = ""
    """Why it is not current."""


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """The result of an analyst's statement, as bytes to print or save."""

    output: bytes
    snapshot: SnapshotState

    @property
    def note(self) -> str | None:
        """One line for the person when newer rows were not looked at."""
        if self.snapshot.is_current:
            return None
        return f"from the snapshot of {self.snapshot.data_at:%Y-%m-%d %H:%M:%S} UTC: {self.snapshot.reason}"


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check of `warehouse/checks` that found wrong rows."""

    name: str
    expectation: str
    """What should hold, in a sentence."""
    row_count: int
    examples: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class FileState:
    """What a warehouse file holds."""

    migration: str
    """The last one applied."""
    row_counts: dict[str, int]
    """By table."""
    failed_checks: tuple[FailedCheck, ...] | None
    """None for a file of another schema, which the checks are not written for."""


class Warehouse:
    """One DuckDB file for writing and one snapshot of it for reading.

    Every method opens the file late and closes it early, and waits up to `wait_s` seconds while another process holds
    it. All raise `WarehouseBusyError` after that, `WarehouseDamagedError` for a file that is no warehouse (it is left
    as it is) and `WarehouseError` for a full disk or one that cannot be written; nothing of that call is stored then.
    With an `archive`, bodies of captures lie there and the file only says where; without one, they lie in the file.
    `recorded_at` is the true clock of the append; `known_at`, from when the rows count as known, is the same unless
    an import states it.
    """

    def __init__(
        self, path: Path, *, snapshot: Path | None = None, archive: Archive | None = None, wait_s: float = 30.0
    ) -> None:
        self.path = path
        self.snapshot = snapshot or path.with_name("snapshot.duckdb")
        self._archive = archive
        self._wait_s = wait_s
        self._is_ensured = False

    def ensure(self) -> None:
        """Creates the file with its tables and views, or brings an older one up to date."""
        self._ensure(self._wait_s)

    def _ensure(self, wait_s: float) -> None:
        if not self._is_ensured:
            ensure_file(self.path, self.snapshot, wait_s=wait_s)
            self._is_ensured = True

    @contextmanager
    def _open(self) -> Iterator[OpenFile]:
        self.ensure()
        with open_file(self.path, wait_s=self._wait_s) as file:
            if size_of(log_of(self.path)) > CHECKPOINT_LOG_BYTES:
                file.checkpoint()
            yield file

    # Runs

    def begin_run(
        self, run: Run, *, configs: Mapping[str, str], sources: Sequence[Source], recorded_at: datetime
    ) -> None:
        """Records the start of a run with the content of its config (file name to text) and the sources it read."""
        contents = [{"sha256": hash_of(text), "name": name, "content": text} for name, text in configs.items()]
        definitions = []
        for source in sources:
            definition = source.model_dump(mode="json")
            definitions.append(
                {"source_id": source.id, "definition": definition, "sha256": hash_of(json_text(definition))}
            )
        mark = {"run_id": run.run_id, "recorded_at": recorded_at}
        with self._open() as file, file.transaction():
            file.execute(
                sql("insert_run"),
                {
                    **mark,
                    "kind": run.kind,
                    "started_at": run.started_at,
                    "program_version": run.versions.program,
                    "extractor_version": run.versions.extractor,
                    "rules_version": run.versions.rules,
                    "taxonomy_version": run.versions.taxonomy,
                    "parameters": json_text(dict(run.parameters)),
                    "configs": json_text({row["name"]: row["sha256"] for row in contents}),
                },
            )
            file.execute(sql("insert_config_content"), {**mark, "rows": json_text(contents)})
            file.execute(sql("insert_source"), {**mark, "known_at": run.started_at, "rows": json_text(definitions)})

    def end_run(self, run_id: str, *, status: str, counts: Mapping[str, int], recorded_at: datetime) -> None:
        """Records the end of a run with its own count of outcomes."""
        with self._open() as file, file.transaction():
            file.execute(
                sql("insert_run_end"),
                {"run_id": run_id, "status": status, "counts": json_text(dict(counts)), "recorded_at": recorded_at},
            )

    # Raw first

    def append_polls(self, run_id: str, polls: Sequence[Poll], *, recorded_at: datetime) -> None:
        """Appends looks at feeds; the same look again adds nothing."""
        if polls:
            rows = json_text([poll_row(poll) for poll in polls])
            with self._open() as file, file.transaction():
                file.execute(sql("insert_poll"), {"run_id": run_id, "recorded_at": recorded_at, "rows": rows})

    def append_captures(
        self,
        run_id: str,
        captures: Sequence[Capture],
        *,
        recorded_at: datetime,
        known_at: datetime | None = None,
        exchanges: Sequence[tuple[str, Exchange]] = (),
    ) -> int:
        """Keeps pages with what the feed said of them; returns how many were new. The same one again adds none.

        `exchanges` are the other answers, each with the id of the source it was asked for; their bodies are kept where
        there is an archive.
        """
        if not captures and not exchanges:
            return 0
        with self._open() as file:
            return self._insert_captures(file, run_id, captures, exchanges, recorded_at=recorded_at, known_at=known_at)

    def append_saved(
        self, run_id: str, captures: Sequence[Capture], *, recorded_at: datetime, known_at: datetime | None = None
    ) -> list[Capture]:
        """Keeps saved pages; returns for each the capture it is kept as.

        Without `known_at`, the fetch time of a saved page is not known: then a page kept before, from the same source
        and address and the same byte for byte, is that capture and is not kept again.
        """
        if not captures:
            return []
        with self._open() as file:
            kept = list(captures) if known_at else _as_kept_before(file, captures)
            self._insert_captures(file, run_id, kept, (), recorded_at=recorded_at, known_at=known_at)
        return kept

    def _insert_captures(
        self,
        file: OpenFile,
        run_id: str,
        captures: Sequence[Capture],
        exchanges: Sequence[tuple[str, Exchange]],
        *,
        recorded_at: datetime,
        known_at: datetime | None,
    ) -> int:
        distinct = {capture.capture_id: capture for capture in captures}
        known = _fetch(file, "known_captures", {"capture_ids": list(distinct)})
        for row in known:
            del distinct[row["capture_id"]]
        new = list(distinct.values())
        answers = _new_exchanges(file, exchanges, since=recorded_at - REVISITED_FOR)
        if not new and not answers:
            return 0
        records: list[Record] = [*new, *(answer.record for answer in answers)]
        places: Sequence[RecordPlace | None] = [None] * len(records)
        if self._archive is not None:
            places = self._archive.append(run_id, records, at=recorded_at)
        places, places_of_answers = places[: len(new)], places[len(new) :]
        exchange_rows = [
            exchange_row(answer.source_id, answer.exchange, answer.same_as, place)
            for answer, place in zip(answers, places_of_answers, strict=True)
        ]
        parameters = {
            "run_id": run_id,
            "recorded_at": recorded_at,
            "known_at": known_at or recorded_at,
            "rows": json_text([capture_row(*pair) for pair in zip(new, places, strict=True)]),
            "bodies": [
                compressed(capture.body) if place is None else None for capture, place in zip(new, places, strict=True)
            ],
        }
        with file.transaction():
            if exchange_rows:
                marked = {"run_id": run_id, "recorded_at": recorded_at, "rows": json_text(exchange_rows)}
                file.execute(sql("insert_exchange"), marked)
            return len(file.execute(sql("insert_capture"), parameters).fetchall()) if new else 0

    def read_capture(self, capture_id: str) -> Capture | None:
        """The capture as it was kept; a `LostCapture` when the archive does not give its bytes back."""
        with self._open() as file:
            rows = _fetch(file, "read_captures", {"capture_ids": [capture_id]})
        return capture_of(rows[0], self._archive) if rows else None

    def read_captures(self, capture_ids: Collection[str]) -> list[Capture]:
        """Those captures, each once, oldest fetch first; like `read_capture`."""
        with self._open() as file:
            rows = _fetch(file, "read_captures", {"capture_ids": list(capture_ids)})
        return [capture_of(row, self._archive) for row in rows]

    def pending_captures(self, *, limit: int = 200, skip_imports: bool = False) -> list[Capture]:
        """Captures that no run has ended yet, oldest first: what a killed run left behind.

        With `skip_imports`, those of an import that has not ended are left to it. One whose bytes the archive does not
        give back is a `LostCapture`.
        """
        with self._open() as file:
            rows = _fetch(file, "pending_captures", {"limit": limit, "skip_imports": skip_imports})
        return [capture_of(row, self._archive) for row in rows]

    def newest_captures(self, *, source_ids: Collection[str] = (), since: datetime | None = None) -> list[str]:
        """Id of the last capture of each article, and of each address that gave none, oldest fetch first.

        Empty `source_ids` means all; `since` leaves out what was fetched before.
        """
        with self._open() as file:
            rows = _fetch(file, "newest_captures", {"source_ids": list(source_ids), "since": since})
        return [row["capture_id"] for row in rows]

    def kept_results(self, capture_ids: Collection[str]) -> dict[str, KeptResult]:
        """What was made of each capture the last time it was interpreted, by capture id."""
        with self._open() as file:
            rows = _fetch(file, "kept_results", {"capture_ids": list(capture_ids)})
        return {
            row["capture_id"]: KeptResult(
                outcome=Outcome(row["outcome"]),
                article_id=row["article_id"],
                content_hash=row["content_hash"],
                title=row["title"],
                blocks=tuple(block["text"] for block in json.loads(row["paragraphs"] or "[]")),
                removed=tuple(row["removed"] or ()),
                access=row["access_status"],
            )
            for row in rows
        }

    def archive_files(self) -> dict[str, tuple[datetime, int]]:
        """Each file of the archive with the fetch time of its newest record and how many records it holds."""
        with self._open() as file:
            rows = _fetch(file, "archive_files")
        return {row["warc_file"]: (row["newest_at"], row["record_count"]) for row in rows}

    def feed_states(self) -> dict[str, FeedState]:
        """What is known of each feed, sitemap and listing, by address."""
        with self._open() as file:
            rows = _fetch(file, "feed_states")
        return {row["url"]: FeedState(**{**row, "last_outcome": FetchOutcome(row["last_outcome"])}) for row in rows}

    def known_urls(self, urls: Collection[str]) -> dict[str, KnownUrl]:
        """What is known of those canonical addresses that were asked for before; a passing failure does not count."""
        if not urls:
            return {}
        with self._open() as file:
            rows = _fetch(file, "known_urls", {"urls": [storable(url) for url in urls]})
        known = {}
        for row in rows:
            headers = headers_of(row.pop("headers") or "[]")
            known[row["canonical_url"]] = KnownUrl(
                **row, etag=header(headers, "etag"), last_modified=header(headers, "last-modified")
            )
        return known

    # Articles

    def append_results(
        self,
        run_id: str,
        results: Sequence[LabelledArticle | CandidateOutcome],
        *,
        versions: Versions,
        recorded_at: datetime,
        known_at: datetime | None = None,
    ) -> list[CandidateOutcome]:
        """Appends articles with their ledger and labels, and how every candidate ended, in one transaction.

        Returns one outcome for each of `results`, in the order given. An article ends `stored`, `revised` or
        `unchanged` (see `queries/decide_article.sql`), or `quarantined` when it cannot be stored; the others are
        stored all the same. The same results again add nothing but outcomes of a new run.
        """
        if not results:
            return []
        ended: dict[int, CandidateOutcome] = {}
        rows: dict[int, str] = {}
        for ordinal, result in enumerate(results):
            if isinstance(result, CandidateOutcome):
                ended[ordinal] = result
                continue
            try:
                rows[ordinal] = json_text(article_row(ordinal, result))
            except Exception as error:  # one article that is wrong must not stop the others
                ended[ordinal] = _quarantined(result, error)
        mark = {"run_id": run_id, "recorded_at": recorded_at}
        dated = {**mark, "known_at": known_at or recorded_at}
        with self._open() as file:
            for ordinal, refusal in _stage(file, rows).items():
                del rows[ordinal]
                ended[ordinal] = _quarantined(results[ordinal], refusal)
            with file.transaction():
                if rows:
                    file.execute(sql("decide_article"))
                    file.execute(sql("insert_article"), dated)
                    file.execute(sql("insert_url_alias"), mark)
                    file.execute(
                        sql("insert_revision"),
                        {
                            **dated,
                            "program_version": versions.program,
                            "extractor_version": versions.extractor,
                            "rules_version": versions.rules,
                        },
                    )
                    file.execute(sql("insert_removal"), mark)
                    file.execute(sql("stage_label"))
                    file.execute(sql("insert_label"), dated)
                    file.execute(sql("insert_label_topic"), mark)
                    for row in _fetch(file, "decided_articles"):
                        result = results[row["ordinal"]]
                        ended[row["ordinal"]] = _decided(result, Outcome(row["outcome"]), row["revision"])
                outcomes = [ended[ordinal] for ordinal in range(len(results))]
                file.execute(
                    sql("insert_outcome"), {**dated, "rows": json_text([outcome_row(item) for item in outcomes])}
                )
        return outcomes

    def append_digest(
        self,
        run_id: str,
        *,
        week: str,
        as_of: datetime,
        recorded_through: datetime,
        config_sha256: str,
        program_version: str,
        parts: Mapping[str, str],
        item_count: int,
        built_at: datetime,
        recorded_at: datetime,
    ) -> None:
        """Records a digest that was built; `parts` is file name to sha256 of its bytes."""
        with self._open() as file, file.transaction():
            file.execute(
                sql("insert_digest"),
                {
                    "run_id": run_id,
                    "week": week,
                    "as_of": as_of,
                    "recorded_through": recorded_through,
                    "config_sha256": config_sha256,
                    "program_version": program_version,
                    "parts": json_text(dict(parts)),
                    "item_count": item_count,
                    "built_at": built_at,
                    "recorded_at": recorded_at,
                },
            )

    # Delivery

    def delivery_history(self, recipients: Collection[str]) -> list[DeliveryRecord]:
        """The ledger rows of these addresses, of all weeks, in the order written."""
        with self._open() as file:
            rows = _fetch(file, "delivery_history", {"recipients": [address.lower() for address in recipients]})
        return [DeliveryRecord(**{**row, "state": DeliveryState(row["state"])}) for row in rows]

    def append_delivery(self, record: DeliveryRecord) -> None:
        """Adds a row to the delivery ledger; durable when this returns."""
        with self._open() as file, file.transaction():
            file.execute(sql("insert_delivery"), {**asdict(record), "detail": storable(record.detail)})

    # The snapshot

    def publish(self) -> SnapshotState:
        """Makes the snapshot hold everything recorded so far. Readers of the old one keep it until they close it."""
        return self._publish(self._wait_s)

    def _publish(self, wait_s: float) -> SnapshotState:
        self._ensure(wait_s)
        new = self.snapshot.with_name(self.snapshot.name + ".tmp")
        with open_file(self.path, wait_s=wait_s) as file:
            if not self._is_current():
                try:
                    self.snapshot.parent.mkdir(parents=True, exist_ok=True)
                    file.checkpoint()
                    file.copy_to(new)
                    state = self.path.stat()
                    os.utime(new, ns=(state.st_mtime_ns, state.st_mtime_ns))
                    os.replace(new, self.snapshot)
                    sync_folder(self.snapshot.parent)
                finally:
                    new.unlink(missing_ok=True)
        return SnapshotState(_changed_at(self.snapshot), True)

    def snapshot_state(self) -> SnapshotState | None:
        """How far the snapshot goes, None when there is none; opens no file."""
        if not self.snapshot.exists():
            return None
        is_current = self._is_current()
        return SnapshotState(_changed_at(self.snapshot), is_current, "" if is_current else "rows were added since")

    def _is_current(self) -> bool:
        # The snapshot takes the modification time of the file it is a copy of, so a file that was restored from an
        # older copy counts as different too.
        try:
            same = self.snapshot.stat().st_mtime_ns == self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        return same and size_of(log_of(self.path)) == 0

    def _refresh(self) -> SnapshotState:
        """Publishes if rows were added and the file is free; a reader is content with an older snapshot otherwise."""
        state = self.snapshot_state()
        if not self.path.exists():
            if state is None:
                raise WarehouseError(
                    f"no warehouse: `{self.path}`: there is no such file",
                    hint="run `alliancewatch ingest` or `import` first",
                )
            return replace(state, is_current=False, reason="the warehouse file is not here")
        if state is not None and state.is_current:
            return state
        try:
            return self._publish(min(READ_WAIT_S, self._wait_s))
        except WarehouseDamagedError:
            raise
        except WarehouseError as error:
            if state is None:
                raise
            return replace(state, reason=error.message)

    def select(self, name: str, **parameters: object) -> list[Row]:
        """The rows of the query file of that name, on the snapshot, which is brought up to date if the file is free."""
        self._refresh()
        with open_snapshot(self.snapshot) as connection:
            return _dicts(connection.execute(sql(name), parameters or None))

    def run_sql(
        self, statement: str, output_format: SqlFormat = "table", *, timeout_s: float = 60.0, memory_limit: str = "1GB"
    ) -> SqlAnswer:
        """The result of an analyst's SELECT on the snapshot, which is brought up to date first if the file is free.

        Raises `UsageError` for SQL that is wrong or does more than read, `WarehouseError` for one that takes too long
        or too much memory.
        """
        state = self._refresh()
        output = run_sql(
            self.snapshot, statement, output_format=output_format, timeout_s=timeout_s, memory_limit=memory_limit
        )
        return SqlAnswer(output, state)

    def run_checks(self) -> list[FailedCheck]:
        """Every check that found wrong rows; an empty list means healthy."""
        self._refresh()
        with open_snapshot(self.snapshot) as connection:
            return _failed_checks(connection)

    def recorded_span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last row was recorded; no digest can be rebuilt for a cut before the first."""
        (row,) = self.select("recorded_span")
        return None if row["first_at"] is None else (row["first_at"], row["last_at"])


def inspect_file(path: Path) -> FileState:
    """What a warehouse file that nobody writes holds; the whole of it is read. Raises `WarehouseError`."""
    with open_snapshot(path, hint="it is no whole copy; take another") as connection:
        names = [name for (name,) in connection.execute(sql("tables")).fetchall()]
        if "migration" not in names:
            raise damaged(path, "it is no AllianceWatch warehouse", path)
        counts = {name: connection.execute(sql("row_count"), {"table_name": name}).fetchall()[0][0] for name in names}
        applied = connection.execute(sql("applied_migrations")).fetchall()
        is_current = {name for name, _ in applied} == set(sql_files("migrations"))
        return FileState(applied[-1][0], counts, tuple(_failed_checks(connection)) if is_current else None)


def read_rows(path: Path, name: str, **parameters: object) -> list[Row]:
    """The rows of the query file of that name on a warehouse file, which is only read. Raises `WarehouseError`."""
    with open_snapshot(path, hint=damaged(path, "", path).hint) as connection:
        return _dicts(connection.execute(sql(name), parameters or None))


def read_ledger(path: Path) -> list[DeliveryRecord]:
    """The delivery ledger of a warehouse file that nobody writes. Raises `WarehouseError`."""
    with open_snapshot(path, hint="its delivery ledger cannot be read") as connection:
        if ("delivery",) not in connection.execute(sql("tables")).fetchall():
            return []
        rows = _dicts(connection.execute(sql("ledger")))
    return [DeliveryRecord(**{**row, "state": DeliveryState(row["state"])}) for row in rows]


def _failed_checks(connection: DuckDBPyConnection) -> list[FailedCheck]:
    failed = []
    for name, text in sql_files("checks").items():
        rows = _dicts(connection.execute(text))
        if rows:
            expectation = text.splitlines()[0].removeprefix("-- ")
            failed.append(FailedCheck(name, expectation, len(rows), tuple(rows[:5])))
    return failed


@dataclass(frozen=True, slots=True)
class _Answer:
    """An exchange that is not kept yet, and the one that holds its body already."""

    source_id: str
    exchange: Exchange
    same_as: str | None
    first_asked_at: datetime | None

    @property
    def record(self) -> Record:
        if self.first_asked_at is None:
            return self.exchange
        return Revisit(self.exchange, self.first_asked_at)


def _new_exchanges(file: OpenFile, exchanges: Sequence[tuple[str, Exchange]], *, since: datetime) -> list[_Answer]:
    distinct = {exchange.exchange_id: (source_id, exchange) for source_id, exchange in exchanges}
    for row in _fetch(file, "known_exchanges", {"exchange_ids": list(distinct)}) if distinct else ():
        del distinct[row["exchange_id"]]
    bodies = [
        {"url": storable(exchange.url), "body_sha256": exchange.body_sha256}
        for _, exchange in distinct.values()
        if exchange.body and exchange.is_whole
    ]
    held = {
        (row["url"], row["body_sha256"]): (row["exchange_id"], row["asked_at"])
        for row in (_fetch(file, "exchanges_of_body", {"rows": json_text(bodies), "since": since}) if bodies else ())
    }
    return [
        _Answer(source_id, exchange, *held.get((storable(exchange.url), exchange.body_sha256), (None, None)))
        for source_id, exchange in distinct.values()
    ]


def _as_kept_before(file: OpenFile, captures: Sequence[Capture]) -> list[Capture]:
    """The captures, those whose source, address and body are known with the fetch time they were first kept with."""

    def key(capture: Capture) -> tuple[str, str, str]:
        return storable(capture.source_id), storable(capture.url), capture.body_sha256

    names = ("source_id", "url", "body_sha256")
    rows = json_text([dict(zip(names, key(capture), strict=True)) for capture in captures])
    fetched_at = {
        (row["source_id"], row["url"], row["body_sha256"]): row["fetched_at"]
        for row in _fetch(file, "captures_of_body", {"rows": rows})
    }
    return [
        replace(capture, fetched_at=fetched_at.setdefault(key(capture), capture.fetched_at)) for capture in captures
    ]


def _stage(file: OpenFile, rows: Mapping[int, str]) -> dict[int, Exception]:
    """Stages the rows; returns those that do not fit, which are left out."""
    if not rows:
        return {}
    refused: dict[int, Exception] = {}
    try:
        _stage_all(file, rows.values())
    except (duckdb.DataError, duckdb.ProgrammingError):
        for ordinal, row in rows.items():
            try:
                _stage_all(file, [row])
            except (duckdb.DataError, duckdb.ProgrammingError) as error:
                refused[ordinal] = error
        _stage_all(file, [row for ordinal, row in rows.items() if ordinal not in refused])
    return refused


def _stage_all(file: OpenFile, rows: Collection[str]) -> None:
    file.execute(sql("stage_article"), {"rows": f"[{','.join(rows)}]"})


def _decided(result: LabelledArticle | CandidateOutcome, outcome: Outcome, revision: int) -> CandidateOutcome:
    assert isinstance(result, LabelledArticle)
    reason = {
        Outcome.STORED: "new article",
        Outcome.REVISED: f"title or text changed: revision {revision}",
        Outcome.UNCHANGED: f"same as revision {revision}",
    }[outcome]
    return CandidateOutcome(
        source_id=result.source_id,
        url=result.url,
        outcome=outcome,
        reason=reason,
        capture_id=result.capture_id,
        article_id=result.article_id,
        revision=revision,
        access=result.article.access.status,
        found_in=result.found_in,
    )


def _quarantined(result: LabelledArticle | CandidateOutcome, error: Exception) -> CandidateOutcome:
    return CandidateOutcome(
        source_id=str(result.source_id),
        url=str(result.url),
        outcome=Outcome.QUARANTINED,
        reason=f"cannot be stored: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:500],
        capture_id=result.capture_id,
        found_in=result.found_in,
        trace="".join(traceback.format_exception(error)),
    )


def _fetch(file: OpenFile, name: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
    return _dicts(file.execute(sql(name), parameters))


def _dicts(cursor: DuckDBPyConnection) -> list[Row]:
    names = [column[0] for column in cursor.description or []]
    return [
        {name: utc(value) if _is_aware(value) else value for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]


def _is_aware(value: Any) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _changed_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
