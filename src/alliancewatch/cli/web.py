"""`fetch` and `feed`: what one address or one feed gives, nothing stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alliancewatch.cli.shared import (
    ConfigOption,
    JsonOption,
    columns,
    jsonable,
    load,
    now,
    one_line,
    print_json,
    read_bytes,
    say,
)
from alliancewatch.errors import UsageError

if TYPE_CHECKING:
    from alliancewatch.discover import FeedDocument
    from alliancewatch.model import Response
    from alliancewatch.settings import FetchSettings

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:")


def fetch(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Addresses to fetch, one after the other.")],
    kind: Annotated[str, typer.Option(metavar="page|feed", help="What is expected there.")] = "page",
    etag: Annotated[str | None, typer.Option(help="Ask only whether it changed since this ETag.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fetch addresses once, politely, and say what came.

    Example: alliancewatch fetch https://www.usfj.mil/ --json
    """
    from alliancewatch.fetch import Fetcher

    if kind not in ("page", "feed"):
        raise UsageError(f"unknown kind: `{kind}`: expected `page` or `feed`")
    wanted: Literal["page", "feed"] = "feed" if kind == "feed" else "page"
    with Fetcher(_unpaced(load(config).settings.fetch), clock=now) as fetcher:
        for url in urls:
            response = fetcher.fetch(url, kind=wanted, etag=etag)
            record = fetch_json(response, wanted)
            if as_json:
                print_json(record)
            else:
                typer.echo(columns(record["outcome"], record["status"] or "-", record["bytes"], url, record["reason"]))
    if no_address := next((url for url in urls if not _SCHEME.match(url)), None):
        raise UsageError(f"not a web address: `{one_line(no_address)}`: expected http:// or https:// and a host")


def fetch_json(response: Response, kind: Literal["page", "feed"]) -> dict[str, object]:
    """The response in the words of the `fetch --json` contract, with the page or feed it holds."""
    from alliancewatch.ingest import judge_feed, judge_page

    outcome, reason = response.outcome, response.reason
    content: dict[str, object] = {}
    if kind == "page":
        verdict = judge_page(response)
        outcome, reason = verdict.outcome, verdict.reason
        if verdict.article is not None:
            content = {"title": verdict.article.title, "text": verdict.article.text}
    else:
        feed = judge_feed(response, zone="UTC")
        outcome, reason = feed.outcome, feed.reason
        if feed.document is not None:
            content = {"entries": feed_json(feed.document)["entries"]}
    return {
        "url": response.url,
        "final_url": response.final_url,
        "outcome": outcome.value,
        "status": response.status,
        "content_type": response.content_type,
        "bytes": len(response.body),
        "charset": response.charset,
        "reason": reason,
        "retry_after_s": response.retry_after_s,
        "elapsed_s": round(response.elapsed_s, 3),
        **content,
    }


def feed(
    source: Annotated[str, typer.Argument(metavar="PATH|-|URL", help="A saved feed, stdin, or an address.")],
    url: Annotated[
        str | None, typer.Option(metavar="BASE", help="Address that relative links are resolved against.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'K: V'", help="A response header, such as Content-Type.")
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone of dates that name none.")] = "UTC",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the entries of a feed: RSS, Atom, RDF or JSON Feed, however broken.

    Example: alliancewatch feed saved.xml --url https://example.org/rss --zone Asia/Tokyo --json
    """
    from alliancewatch.discover import read_feed

    headers = dict(_header(line) for line in header or [])
    problems: tuple[str, ...] = ()
    if source.startswith(("http://", "https://")):
        from alliancewatch.fetch import Fetcher

        with Fetcher(_unpaced(load(config).settings.fetch), clock=now) as fetcher:
            response = fetcher.fetch(source, kind="feed")
        body, url = response.body, url or response.final_url
        headers = {**dict(response.headers), **headers}
        if response.outcome != "ok":
            problems = (f"fetch {response.outcome}: {response.reason}",)
    else:
        body = read_bytes(source)
    document = read_feed(body, base_url=url, headers=headers, zone=_known_zone(zone))
    record = feed_json(document, problems)
    if as_json:
        print_json(record)
        return
    typer.echo(one_line(document.title or "(no title)"))
    for entry in document.entries:
        typer.echo(columns(entry.published_at or entry.published_raw or "-", entry.title or "-", entry.link or "-"))
    for problem in (*problems, *document.problems):
        say(one_line(f"problem: {problem}"))
    if document.dropped:
        say(f"{document.dropped} entries dropped")


def feed_json(document: FeedDocument, problems: tuple[str, ...] = ()) -> dict[str, object]:
    """The feed in the words of the `feed --json` contract."""
    return {
        "title": document.title,
        "entries": [
            {
                "id": entry.id,
                "title": entry.title,
                "link": entry.link,
                "published_at": jsonable(entry.published_at),
                "published_raw": entry.published_raw,
                "summary": entry.summary,
            }
            for entry in document.entries
        ],
        "dropped": document.dropped,
        "problems": [*problems, *document.problems],
    }


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"not a header: `{line}`: expected `Name: value`")
    return name.strip(), value.strip()


def _known_zone(zone: str) -> str:
    from zoneinfo import available_timezones

    from alliancewatch.config_file import nearest

    if zone not in available_timezones():
        suggestion = nearest(zone, sorted(available_timezones()))
        raise UsageError(f"no such time zone: `{zone}`", hint=f"did you mean `{suggestion}`?" if suggestion else None)
    return zone


def _unpaced(settings: FetchSettings) -> FetchSettings:
    """One-shot requests need no interval between them: a person named each address."""
    return settings.model_copy(update={"host_interval_s": 0.0})
