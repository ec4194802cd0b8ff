"""The bytes a newsstand outlet answers with: article pages, feeds, sitemap, lists, walls and errors.

A page is a function of the data, the address and the instant. An article page changes only with the story's own
editions, a redesign or a wall of its outlet: its related list names stories published before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from alliancewatch.newsstand.world import OUTLETS, Block, Edition, OddItem, Outlet, World

TEMPLATES = Path(__file__).parent / "templates"

FEED_LIMIT = 30


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: what a server needs to send."""

    status: int
    content_type: str
    body: bytes
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the body as markup groups it: list items together, joined paragraphs in one."""

    kind: Literal["p", "h", "quote", "ul", "figure"]
    text: str = ""
    items: tuple[str, ...] = ()
    credit: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A headline with its address, as feeds and lists show it."""

    title: str
    url: str
    published_at: datetime
    summary: str
    edition: Edition | None = None


def answer(world: World, outlet: Outlet, path: str, at: datetime, addresses: Mapping[str, str]) -> Page:
    """What the outlet's site answers for that path (no query) at that instant.

    `addresses` maps outlet ids to where they are served, such as `http://127.0.0.1:8801`, without a final slash.
    """
    for outage in outlet.outages:
        if outage.covers(path, at):
            return _html(outlet, "error.html", status=outage.status, at=at, addresses=addresses)
    if path == "/robots.txt":
        return _robots(outlet, addresses[outlet.id])
    if path == outlet.feed_path:
        return _feed(world, outlet, at, addresses)
    if path == outlet.sitemap_path:
        links = _links(world, outlet, at, addresses[outlet.id])
        return _xml("sitemap.xml", "utf-8", outlet=outlet, links=[link for link in links if link.edition])
    for item in outlet.odd_items:
        if item.path == path and item.published <= at:
            return _odd_page(world, outlet, item, at, addresses)
    for edition in world.published(outlet.id, at):
        if outlet.path_of(edition.story) == path:
            return _article(world, outlet, edition, at, addresses)
    if path in {"/", outlet.listing_path, *outlet.sections}:
        links = [link for link in _links(world, outlet, at, addresses[outlet.id]) if link.edition]
        modified_at = max((link.edition.updated_at for link in links if link.edition), default=None)
        return _html(outlet, "list.html", at=at, addresses=addresses, links=links, modified_at=modified_at)
    return _html(outlet, "error.html", status=404, at=at, addresses=addresses)


def _article(world: World, outlet: Outlet, edition: Edition, at: datetime, addresses: Mapping[str, str]) -> Page:
    story, base = edition.story, addresses[outlet.id]
    facts = story.facts
    earlier = [
        Link(other.title, base + outlet.path_of(other.story), other.story.facts.published, "")
        for other in world.published(outlet.id, facts.published)
        if other.story.slug != story.slug
    ]
    older = [
        Link(title, f"{base}/archive/{number}/", facts.published, "") for number, title in enumerate(outlet.evergreen)
    ]
    encoding = facts.encoding or outlet.encoding
    chunks = _chunks(edition.blocks)
    return _html(
        outlet,
        outlet.template_at(at),
        at=edition.updated_at,
        addresses=addresses,
        modified_at=_changed_at(outlet, edition, at),
        encoding=encoding,
        meta_encoding=facts.meta_encoding,
        edition=edition,
        facts=facts,
        url=base + outlet.path_of(story),
        published=facts.published.astimezone(outlet.tzinfo),
        updated=edition.updated_at.astimezone(outlet.tzinfo),
        chunks=chunks,
        figures=[chunk for chunk in chunks if chunk.kind == "figure"],
        body=[chunk for chunk in chunks if chunk.kind != "figure"],
        summary=_summary(edition),
        remaining_chars=None if edition.total_chars is None else edition.total_chars - edition.shown_chars,
        related=(earlier + older)[:4],
        popular=(older + earlier)[:5],
    )


def _changed_at(outlet: Outlet, edition: Edition, at: datetime) -> datetime:
    redesign = outlet.redesign.at if outlet.redesign is not None and outlet.redesign.at <= at else None
    changes = (edition.updated_at, edition.walled_at, redesign)
    return max(instant for instant in changes if instant is not None)


def _chunks(blocks: tuple[Block, ...]) -> list[Chunk]:
    chunks: list[Chunk] = []
    for block in blocks:
        last = chunks[-1] if chunks else None
        if block.kind == "caption":
            chunks.append(Chunk("figure", block.text, credit=block.credit))
        elif block.kind == "li" and last is not None and last.kind == "ul":
            chunks[-1] = Chunk("ul", items=(*last.items, block.text))
        elif block.kind == "li":
            chunks.append(Chunk("ul", items=(block.text,)))
        elif block.joined and last is not None:
            chunks[-1] = Chunk(last.kind, last.text + block.text)
        else:
            chunks.append(Chunk(block.kind, block.text))
    return chunks


def _summary(edition: Edition) -> str:
    """The standfirst, else the opening cut at a word, as sites fill `og:description`."""
    if edition.standfirst:
        return edition.standfirst
    opening = next((block.text for block in edition.blocks if block.kind == "p"), "")
    if len(opening) <= 160:
        return opening
    cut = opening[:157]
    return (cut.rpartition(" ")[0] or cut).rstrip(",、") + "…"


def _links(world: World, outlet: Outlet, at: datetime, base: str) -> list[Link]:
    """Everything the outlet offers at that instant, newest first."""
    links = [
        Link(
            edition.title,
            base + outlet.path_of(edition.story),
            edition.story.facts.published,
            _summary(edition),
            edition,
        )
        for edition in world.published(outlet.id, at)
    ]
    links += [
        Link(item.title, base + item.path, item.published, item.summary)
        for item in outlet.odd_items
        if item.published <= at
    ]
    return sorted(links, key=lambda link: link.published_at, reverse=True)


def _feed(world: World, outlet: Outlet, at: datetime, addresses: Mapping[str, str]) -> Page:
    base = addresses[outlet.id]
    links = _links(world, outlet, at, base)[:FEED_LIMIT]
    tracked = "?utm_source=feed&utm_medium=rss"
    entries = []
    for link in links:
        entries.append(link)
        if link.edition and link.edition.story.facts.feed_twice:
            entries.append(Link(link.title, link.url + tracked, link.published_at, link.summary, link.edition))
    modified_at = max((link.edition.updated_at if link.edition else link.published_at for link in links), default=None)
    page = _xml(
        f"{outlet.feed}.xml",
        outlet.encoding,
        outlet=outlet,
        base=base,
        self_url=base + outlet.feed_path,
        entries=entries,
        built_at=modified_at or at,
        charset_header=outlet.charset_header,
    )
    return Page(page.status, page.content_type, page.body, modified_at)


def _odd_page(world: World, outlet: Outlet, item: OddItem, at: datetime, addresses: Mapping[str, str]) -> Page:
    match item.kind:
        case "missing":
            return _html(outlet, "error.html", status=404, at=at, addresses=addresses)
        case "gone":
            return _html(outlet, "error.html", status=410, at=at, addresses=addresses)
        case "listing":
            links = [link for link in _links(world, outlet, at, addresses[outlet.id]) if link.edition]
            return _html(outlet, "list.html", at=at, addresses=addresses, links=links, heading=item.title)
        case "login" | "challenge" | "soft_404" | "disallowed":
            return _html(outlet, f"{item.kind}.html", at=at, addresses=addresses, item=item)


def _robots(outlet: Outlet, base: str) -> Page:
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in outlet.disallow or ("",))]
    if outlet.sitemap_path:
        lines += ["", f"Sitemap: {base}{outlet.sitemap_path}"]
    return Page(200, "text/plain; charset=utf-8", ("\n".join(lines) + "\n").encode())


def _html(
    outlet: Outlet,
    template: str,
    *,
    at: datetime,
    addresses: Mapping[str, str],
    status: int = 200,
    modified_at: datetime | None = None,
    encoding: str | None = None,
    meta_encoding: str | None = None,
    **values: object,
) -> Page:
    encoding = encoding or outlet.encoding
    text = (
        _environment()
        .get_template(template)
        .render(
            outlet=outlet, base=addresses[outlet.id], at=at.astimezone(outlet.tzinfo), status=status,
            encoding=meta_encoding or encoding, **values,
        )
    )  # fmt: skip
    content_type = f"text/html; charset={encoding}" if outlet.charset_header else "text/html"
    return Page(status, content_type, text.encode(encoding, "xmlcharrefreplace"), modified_at)


def _xml(template: str, encoding: str, *, charset_header: bool = True, **values: object) -> Page:
    text = _environment().get_template(template).render(encoding=encoding, **values)
    content_type = f"application/xml; charset={encoding}" if charset_header else "application/xml"
    return Page(200, content_type, text.encode(encoding, "xmlcharrefreplace"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, OUTLETS]),
        autoescape=select_autoescape(["html", "xml"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        feed_date=_feed_date,
        iso=lambda instant: instant.isoformat(),
        iso_utc=lambda instant: instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        day_en=lambda instant: f"{instant:%B} {instant.day}, {instant.year}",
        day_ja=lambda instant: f"{instant.year}年{instant.month}月{instant.day}日",
        day_reiwa=lambda instant: f"令和{instant.year - 2018}年{instant.month}月{instant.day}日",
        full_text=_full_text,
    )
    return environment


def _feed_date(instant: datetime, outlet: Outlet) -> str:
    if outlet.feed_dates == "gmt":
        return format_datetime(instant.astimezone(UTC), usegmt=True)
    local = format_datetime(instant.astimezone(outlet.tzinfo))
    return local.rpartition(" ")[0] + " JST" if outlet.feed_dates == "jst" else local


def _full_text(edition: Edition) -> str:
    """The body as HTML, for feeds that carry it."""
    tags = {"p": "p", "h": "h2", "quote": "blockquote", "li": "li", "caption": "figcaption"}
    return "\n".join(
        f"<{tags[block.kind]}>{escape(block.text, quote=False)}</{tags[block.kind]}>" for block in edition.blocks
    )
