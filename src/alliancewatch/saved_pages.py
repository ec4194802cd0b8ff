"""Pages that lie in files: HTML, text as scraped, gzipped or not, WARC archives, folders of them.

Opens files and nothing else. What a page is, is told elsewhere; here it becomes bytes with the address and time the
file states.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alliancewatch.errors import UsageError

SUFFIXES = (".html", ".htm", ".xhtml", ".txt", ".warc")
"""Endings of files that are read in a folder, each also with `.gz`."""

MAX_PAGE_BYTES = 32 * 1024 * 1024
"""A larger page, after decompression, is no page."""

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain", ""})


@dataclass(frozen=True, slots=True)
class SavedPage:
    """One page out of a file; `problem` says why there is none to interpret, and then the body is empty."""

    name: str
    """The file, for a WARC with the record's number: `crawl.warc.gz#12`."""
    body: bytes
    url: str | None = None
    fetched_at: datetime | None = None
    """When the archive says it was fetched; files do not say."""
    status: int | None = None
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    problem: str | None = None


def find_files(paths: list[Path]) -> list[Path]:
    """The named files, and those in named folders (at any depth, by name); each once, in order.

    Raises `UsageError` when something named is not there, is a file of another kind, or a folder holds no page.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(found for found in path.rglob("*") if found.is_file() and _is_page(found))
            if not inside:
                raise UsageError(
                    f"nothing to import: `{path}`: no {', '.join(SUFFIXES)} (or .gz of them) in that folder"
                )
            files.update(dict.fromkeys(inside))
        elif path.exists():
            if not _is_page(path):
                raise UsageError(
                    f"not a kind of file that holds pages: `{path}`",
                    hint=f"known endings: {', '.join(SUFFIXES)}, each also with .gz",
                )
            files[path] = None
        else:
            raise UsageError(f"no such file or folder: `{path}`")
    return list(files)


def read_saved(path: Path) -> Iterator[SavedPage]:
    """The pages of one file, in file order. Never raises for what the file holds: see `SavedPage.problem`."""
    try:
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        if ".warc" in suffixes:
            yield from _read_warc(path)
        elif suffixes[-1:] == [".gz"]:
            yield _unzipped(path)
        else:
            yield _plain(path)
    except OSError as error:
        yield SavedPage(str(path), b"", problem=f"cannot read: {error.strerror or error}")


def _is_page(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(SUFFIXES)


def _plain(path: Path) -> SavedPage:
    if path.stat().st_size > MAX_PAGE_BYTES:
        return SavedPage(str(path), b"", problem=f"larger than {MAX_PAGE_BYTES} bytes")
    return SavedPage(str(path), path.read_bytes(), content_type=_type_of(path))


def _unzipped(path: Path) -> SavedPage:
    try:
        with gzip.open(path) as stream:
            body = stream.read(MAX_PAGE_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        return SavedPage(str(path), b"", problem=f"not a whole gzip file: {error}")
    if len(body) > MAX_PAGE_BYTES:
        return SavedPage(str(path), b"", problem=f"larger than {MAX_PAGE_BYTES} bytes when decompressed")
    return SavedPage(str(path), body, content_type=_type_of(path))


def _type_of(path: Path) -> str:
    return "text/plain" if path.name.lower().removesuffix(".gz").endswith(".txt") else "text/html"


def _read_warc(path: Path) -> Iterator[SavedPage]:
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    number, page_count = 0, 0
    with path.open("rb") as stream:
        try:
            for number, record in enumerate(ArchiveIterator(stream), 1):
                page = _page_of_record(record, f"{path}#{number}")
                if page is not None:
                    page_count += 1
                    yield page
        except (ArchiveLoadFailed, EOFError, zlib.error, ValueError) as error:
            yield SavedPage(f"{path}#{number + 1}", b"", problem=f"damaged WARC record: {str(error).splitlines()[0]}")
            return
    if page_count == 0:
        yield SavedPage(
            str(path), b"", problem=f"no page in it: {number} WARC records, none of them an HTML or text response"
        )


def _page_of_record(record: object, name: str) -> SavedPage | None:
    """The page of a `response` or `resource` record; None for records of other kinds and media."""
    from warcio.recordloader import ArcWarcRecord

    assert isinstance(record, ArcWarcRecord)
    if record.rec_type not in ("response", "resource"):
        return None
    headers: tuple[tuple[str, str], ...] = ()
    status: int | None = 200
    stated_type = record.rec_headers.get_header("Content-Type") or ""
    if record.http_headers is not None:
        headers = tuple(record.http_headers.headers)
        code = record.http_headers.get_statuscode()
        status = int(code) if code and code.isdigit() else None
        stated_type = record.http_headers.get_header("Content-Type") or ""
    elif record.rec_type == "response":
        return None
    content_type = stated_type.partition(";")[0].strip().lower()
    url = record.rec_headers.get_header("WARC-Target-URI")
    if content_type not in _PAGE_TYPES or (url or "").endswith("/robots.txt"):
        return None
    stated_at = record.rec_headers.get_header("WARC-Date")
    body = record.content_stream().read(MAX_PAGE_BYTES + 1)
    problem = None
    if len(body) > MAX_PAGE_BYTES:
        body, problem = b"", f"larger than {MAX_PAGE_BYTES} bytes"
    elif record.raw_stream.limit > 0:  # what the record's own length promised and the file does not hold
        body, problem = b"", f"record is cut off: {record.raw_stream.limit} bytes are missing"
    elif status != 200:
        problem = f"the archived answer was HTTP {status}"
    return SavedPage(
        name=name,
        body=body,
        url=url,
        fetched_at=_instant(stated_at),
        status=status,
        content_type=content_type or None,
        headers=headers,
        problem=problem,
    )


def _instant(stated: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(stated or "")
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else None
