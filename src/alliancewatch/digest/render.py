"""The digest as HTML, plain text and JSON: each a function of the digest alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import jinja2

from alliancewatch.digest.model import Digest
from alliancewatch.digest.view import ItemView, SectionView, digest_view
from alliancewatch.digest.wrap import columns, wrap

MAX_HTML_BYTES = 100_000
"""Gmail cuts a message's HTML off at 102 kB."""

_WIDTH = 76
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_html(digest: Digest) -> str:
    """A complete page of at most `MAX_HTML_BYTES`, for mail programs and browsers: no script, image or outside style.

    Should long titles and addresses make it larger, fewer articles of each section are shown and the rest is counted.
    """
    template = _TEMPLATES.get_template("digest.html.j2")
    room: int | None = None
    while True:
        html = template.render(view=digest_view(digest, room=room)).strip() + "\n"
        if room == 0 or len(html.encode()) <= MAX_HTML_BYTES:
            return html
        room = max(_longest_section(digest), len(digest.noted)) // 2 if room is None else room // 2


def render_text(digest: Digest) -> str:
    """Plain text in lines of at most 76 columns; links are numbered and listed at the end."""
    view = digest_view(digest)
    labels = view.labels
    links: list[str] = []
    lines = [digest.title, f"{view.span} ({digest.week})", f"{labels['as_of']} {view.as_of}", ""]
    lines += wrap(" · ".join(f"{name}: {count}" for name, count in view.figures), _WIDTH)
    if digest.is_empty:
        lines += ["", *wrap(f"{labels['nothing']}. {labels['nothing_note']}", _WIDTH)]
    for section in view.sections:
        lines += _section_lines(section, labels, links)
    if view.late:
        lines += _section_lines(view.late, labels, links, note=labels["late_note"])
    if view.noted:
        lines += _heading(labels["also_noted"])
        for headline in view.noted:
            lines += wrap(f"- {headline.title} ({headline.source_name}){_mark(headline.url, links)}", _WIDTH, hang="  ")
    lines += _heading(labels["coverage"])
    if not digest.coverage:
        lines.append(labels["no_sources"])
    for row in view.sources:
        extras = [f"{labels['expected']} {row.expected}"]
        extras += [f"{labels['partial']} {row.partial}"] if row.partial else []
        extras += [f"{labels['revised']} {row.revised}"] if row.revised else []
        lines += wrap(f"{row.came:>4}  {row.name} ({', '.join(extras)})", _WIDTH, hang="      ")
    if view.more_sources:
        lines.append(f"      {labels['more_sources']}: {view.more_sources}")
    if view.failing:
        lines += ["", f"{labels['failed']}:"]
        for name, reasons in view.failing:
            lines += wrap(f"- {name}: {reasons}", _WIDTH, hang="  ")
        if view.more_failing:
            lines.append(f"- {labels['more_sources']}: {view.more_failing}")
    for label, names in ((labels["silent"], view.silent), (labels["not_due"], view.not_due)):
        if names:
            lines += ["", *wrap(f"{label}: {names}", _WIDTH)]
    if view.left_out:
        lines += ["", *wrap(f"{labels['left_out']}: " + "; ".join(f"{name} {n}" for name, n in view.left_out), _WIDTH)]
    if links:
        lines += [*_heading(labels["links"]), *(f"[{number}] {url}" for number, url in enumerate(links, 1))]
    return "\n".join([*lines, "", *wrap(view.made_by, _WIDTH), ""])


def render_json(digest: Digest) -> str:
    """The whole digest, with what the other forms only count; instants in ISO 8601, UTC."""
    return json.dumps(asdict(digest), ensure_ascii=False, indent=2, default=datetime.isoformat) + "\n"


def _longest_section(digest: Digest) -> int:
    sections = (*digest.sections, *((digest.late,) if digest.late else ()))
    return max((len(section.items) for section in sections), default=0)


def _heading(text: str) -> list[str]:
    lines = wrap(text, _WIDTH)
    return ["", "", *lines, "-" * max(map(columns, lines)), ""]


def _section_lines(
    section: SectionView, labels: dict[str, str], links: list[str], *, note: str | None = None
) -> Iterator[str]:
    yield from _heading(f"{section.name} ({section.total})")
    if note:
        yield from (*wrap(note, _WIDTH), "")
    for number, view in enumerate(section.items):
        if number:
            yield ""
        yield from _item_lines(view, labels, links)
    if section.more:
        yield from ("", *wrap(f"{labels['more']}: {section.more}", _WIDTH))


def _item_lines(view: ItemView, labels: dict[str, str], links: list[str]) -> Iterator[str]:
    item = view.item
    yield from wrap(f"* {item.title}{_mark(item.url, links)}", _WIDTH, hang="  ")
    about = " · ".join(part for part in (item.source_name, item.host, view.date, view.badge, view.note) if part)
    yield from wrap(f"  {about}", _WIDTH, hang="  ")
    if view.quotation:
        yield from wrap(f"  | {view.quotation}", _WIDTH, hang="  | ")
    if item.also_in:
        copies = ", ".join(f"{copy.source_name}{_mark(copy.url, links)}" for copy in item.also_in)
        yield from wrap(f"  {labels['also_in']}: {copies}", _WIDTH, hang="  ")


def _mark(url: str, links: list[str]) -> str:
    if not url:
        return ""
    links.append(url)
    return f" [{len(links)}]"
