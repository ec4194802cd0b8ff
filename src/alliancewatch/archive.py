"""What servers answered, as WARC 1.1 files that any replay tool reads: `archive/<yyyy>/<mm>/<run>-<n>.warc.gz`.

One file holds what one write transaction of the warehouse indexes, a gzip member a record. It gets its name only when
it is whole and durable, and never changes after that, so a killed run leaves no half-written archive and no row of the
warehouse points at bytes that are not there.

A body that an earlier record of the same address holds is not written again: the record is a `revisit` then. Bodies are
kept decoded. The headers that described them on the wire are kept as `X-Archive-Orig-…`, as pywb does, and
the warehouse's row has them as received.
"""

from __future__ import annotations

import os
import re
import zlib
from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1, sha256
from http import HTTPStatus
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alliancewatch._version import __version__
from alliancewatch.errors import ArchiveError, ArchiveGoneError
from alliancewatch.model import Capture, Exchange

WARC_VERSION = "WARC/1.1"

_WIRE_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_UNSAFE_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]+")
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record lies: the file relative to the archive, and its gzip member in bytes."""

    file: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Revisit:
    """An exchange whose body is that of an earlier one for the same address."""

    exchange: Exchange
    first_asked_at: datetime


Record = Capture | Exchange | Revisit


@dataclass(frozen=True, slots=True)
class PrunedFile:
    """A file of the archive that is, or would be, removed."""

    file: str
    newest_at: datetime
    """Fetch time of its newest record; of a file the warehouse does not index, when it was written."""
    byte_count: int
    record_count: int


class Archive:
    """The WARC files of a home. Nothing is made before something is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, run_id: str, records: Sequence[Record], *, at: datetime) -> list[RecordPlace]:
        """Writes the records to a new file; returns where each lies. Durable when this returns.

        One writer at a time: what an earlier one left unfinished is removed. Raises `ArchiveError` when the folder
        cannot be written; then there is no new file.
        """
        parent = f"{at.astimezone(UTC):%Y/%m}"
        stem = _UNSAFE_IN_NAME.sub("-", run_id)
        folder = self.folder / parent
        try:
            self._make_durable(folder)
            for left in folder.glob("*.tmp"):
                left.unlink()
            names = (f"{stem}-{number:05}.warc.gz" for number in count(1))
            name = next(name for name in names if not (folder / name).exists())
            content, spans = _written(name, records)
            new = folder / f"{name}.tmp"
            with new.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            new.rename(folder / name)
            _sync(folder)
        except OSError as error:
            raise ArchiveError(f"archive cannot be written: `{folder}`: {error.strerror or error}") from error
        return [RecordPlace(f"{parent}/{name}", offset, length) for offset, length in spans]

    def read(self, place: RecordPlace, *, body_sha256: str) -> bytes:
        """The body of the capture that lies there.

        Raises `ArchiveGoneError` when the file is not there any more, `ArchiveError` when it holds something else;
        both name file and offset.
        """
        path = self.folder / place.file
        try:
            with path.open("rb") as stream:
                stream.seek(place.offset)
                member = stream.read(place.length)
        except FileNotFoundError:
            raise ArchiveGoneError(f"archive file is gone: `{path}` at {place.offset}") from None
        except OSError as error:
            raise _damaged(path, place, error.strerror or str(error)) from error
        if len(member) != place.length:
            raise _damaged(path, place, f"{len(member)} bytes are left of {place.length}")
        body = _payload(path, place, member)
        if sha256(body).hexdigest() != body_sha256:
            raise _damaged(path, place, "the body is not the one that was kept: its sha256 differs")
        return body

    def prune(
        self, indexed: Mapping[str, tuple[datetime, int]], *, older_than: datetime, dry_run: bool
    ) -> list[PrunedFile]:
        """Removes whole files all of whose records are older than `older_than`; returns which, oldest first.

        `indexed` is file to fetch time of its newest record and number of records. A file it does not know is as
        old as its modification time. Raises `ArchiveError`.
        """
        pruned = []
        try:
            for path in self.folder.rglob("*.warc.gz"):
                file, state = path.relative_to(self.folder).as_posix(), path.stat()
                newest_at, record_count = indexed.get(file, (datetime.fromtimestamp(state.st_mtime, UTC), 0))
                if newest_at < older_than:
                    pruned.append(PrunedFile(file, newest_at, state.st_size, record_count))
            pruned.sort(key=lambda item: (item.newest_at, item.file))
            if not dry_run:
                for item in pruned:
                    (self.folder / item.file).unlink()
        except OSError as error:
            raise ArchiveError(f"archive cannot be pruned: `{self.folder}`: {error.strerror or error}") from error
        return pruned

    def _make_durable(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        while folder != self.folder.parent:
            folder = folder.parent
            _sync(folder)


def _written(name: str, records: Iterable[Record]) -> tuple[bytes, list[tuple[int, int]]]:
    """A WARC file of the records, and offset and length of each."""
    from warcio.warcwriter import WARCWriter

    stream = BytesIO()
    writer = WARCWriter(stream, gzip=True, warc_version=WARC_VERSION)
    info = {"software": f"AllianceWatch/{__version__}", "format": "WARC File Format 1.1"}
    writer.write_record(writer.create_warcinfo_record(name, info))
    spans = []
    for record in records:
        offset = stream.tell()
        if isinstance(record, Capture):
            _write_capture(writer, record)
        else:
            _write_exchange(writer, record)
        spans.append((offset, stream.tell() - offset))
    return stream.getvalue(), spans


def _write_capture(writer: Any, capture: Capture) -> None:
    uri, dated = _uri(capture.final_url or capture.url), {"WARC-Date": _warc_date(capture.fetched_at)}
    payload = BytesIO(capture.body)
    if capture.status is None or not uri.startswith(("http:", "https:")):
        record = writer.create_warc_record(
            uri,
            "resource",
            payload=payload,
            length=len(capture.body),
            warc_content_type=_one_line(capture.content_type or "application/octet-stream"),
            warc_headers_dict=dated,
        )
    else:
        record = writer.create_warc_record(
            uri,
            "response",
            payload=payload,
            length=len(capture.body),
            warc_headers_dict=dated,
            http_headers=_http_headers(capture.status, capture.headers, len(capture.body)),
        )
    writer.write_record(record)


def _write_exchange(writer: Any, record: Exchange | Revisit) -> None:
    exchange = record if isinstance(record, Exchange) else record.exchange
    uri, stated = _uri(exchange.url), {"WARC-Date": _warc_date(exchange.asked_at)}
    if isinstance(record, Revisit):
        # The digest is written as warcio writes it into the record that holds the body.
        digest = f"sha1:{b32encode(sha1(exchange.body, usedforsecurity=False).digest()).decode()}"
        headers = _http_headers(exchange.status, exchange.headers, len(exchange.body))
        writer.write_record(
            writer.create_revisit_record(
                uri, digest, uri, _warc_date(record.first_asked_at), http_headers=headers, warc_headers_dict=stated
            )
        )
        return
    headers = _http_headers(exchange.status, exchange.headers, len(exchange.body))
    if exchange.status == HTTPStatus.NOT_MODIFIED:
        stated["WARC-Profile"] = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
        writer.write_record(writer.create_warc_record(uri, "revisit", warc_headers_dict=stated, http_headers=headers))
        return
    if not exchange.is_whole:
        stated["WARC-Truncated"] = "unspecified"
    writer.write_record(
        writer.create_warc_record(
            uri,
            "response",
            payload=BytesIO(exchange.body),
            length=len(exchange.body),
            warc_headers_dict=stated,
            http_headers=headers,
        )
    )


def _http_headers(status: int, headers: Iterable[tuple[str, str]], length: int) -> Any:
    from warcio.statusandheaders import StatusAndHeaders

    kept = [
        (f"X-Archive-Orig-{key}" if key.lower() in _WIRE_HEADERS else _one_line(key), _one_line(value))
        for key, value in headers
    ]
    return StatusAndHeaders(_status_line(status), [*kept, ("Content-Length", str(length))], protocol="HTTP/1.1")


def _uri(url: str) -> str:
    """The address as ISO 28500:2017 wants it; pages out of files may have been given anything as one."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~", errors="replace")


def _warc_date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} "


def _one_line(text: str) -> str:
    return _UNSAFE_IN_HEADER.sub(" ", text).encode("utf-8", "replace").decode("utf-8")


def _payload(path: Path, place: RecordPlace, member: bytes) -> bytes:
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    try:
        record = next(iter(ArchiveIterator(BytesIO(member))))
        return bytes(record.raw_stream.read())
    except (ArchiveLoadFailed, EOFError, OSError, StopIteration, ValueError, zlib.error) as error:
        raise _damaged(path, place, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _damaged(path: Path, place: RecordPlace, found: str) -> ArchiveError:
    return ArchiveError(f"archive file is damaged: `{path}` at {place.offset}: {found}")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
