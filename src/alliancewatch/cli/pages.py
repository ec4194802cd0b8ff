"""`clean` and `classify`: one page, one text at a time, nothing stored."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from alliancewatch.cli.shared import (
    ConfigOption,
    JsonOption,
    columns,
    jsonable,
    load,
    one_line,
    print_json,
    read_bytes,
    say,
)
from alliancewatch.errors import UnreadableError, UsageError

if TYPE_CHECKING:
    from alliancewatch.model import Article, Labels


def clean(
    path: Annotated[
        str, typer.Argument(metavar="PATH|-", help="A saved page (HTML or text as scraped), or - for stdin.")
    ],
    url: Annotated[str | None, typer.Option(help="The address the page came from.")] = None,
    explain: Annotated[bool, typer.Option(help="Print each block, kept or cut, with what decided.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Cut the article out of a saved page, and say what was cut.

    Example: alliancewatch clean page.html --url https://example.org/news/1 --explain
    """
    from alliancewatch.boilerplate import BoilerplateRules
    from alliancewatch.extract import clean_page
    from alliancewatch.urls import canonical_url

    if url is not None and canonical_url(url) is None:
        raise UsageError(f"not a web address: `{url}`: expected http:// or https:// and a host")
    body = read_bytes(path)
    rules = load(config).read("boilerplate.yaml", BoilerplateRules)
    page = clean_page(body, url, rules=rules)
    article = page.article
    if as_json:
        print_json(article_json(article))
    elif explain:
        _print_ledger(article)
    else:
        _print_article(article)
    if page.verdict == "unreadable":
        raise UnreadableError(f"no page: `{path}`: {page.reason}")


def article_json(article: Article) -> dict[str, object]:
    """The article in the words of the `clean --json` contract."""
    return {
        "url": article.url,
        "title": article.title,
        "standfirst": article.standfirst,
        "byline": list(article.byline),
        "published_at": jsonable(article.published_at),
        "published_raw": article.published_raw,
        "lang": article.lang,
        "section": article.section,
        "paragraphs": jsonable(article.paragraphs),
        "captions": list(article.captions),
        "author_bio": article.author_bio,
        "access": jsonable(article.access),
        "removed": jsonable(article.removed),
        "repairs": jsonable(article.repairs),
        "flags": list(article.flags),
        "provenance": dict(article.provenance),
        "text": article.text,
    }


def classify(
    path: Annotated[
        str, typer.Argument(metavar="[PATH|-]", help='JSON lines {"id"?,"title","text","lang"?}; default stdin.')
    ] = "-",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Label relevance and topics of texts given as JSON lines, with the words that decided.

    Example: echo '{"title":"Japan and US hold 2+2","text":"..."}' | alliancewatch classify --json
    """
    from alliancewatch.classify import Classifier, Taxonomy

    classifier = Classifier(load(config).read("topics.yaml", Taxonomy))
    good_count, bad_count = 0, 0
    for number, record in _json_lines(path):
        if isinstance(record, str):
            bad_count += 1
            say(one_line(f"line {number}: {record}"))
            continue
        good_count += 1
        labels = classifier.classify(record.get("title"), record.get("text") or "", record.get("lang"))
        name = record.get("id", number)
        if as_json:
            print_json(labels_json(name, labels))
        else:
            topics = ", ".join(f"{topic.topic_id} {topic.score:.2f}" for topic in labels.topics) or "no topic"
            typer.echo(columns(name, f"{labels.relevance} {labels.relevance_score:.2f}", topics))
    if bad_count:
        say(f"{bad_count} lines were left out, {good_count} are labelled")
        raise typer.Exit(1 if good_count else 2)


def labels_json(name: object, labels: Labels) -> dict[str, object]:
    """The labels in the words of the `classify --json` contract."""
    return {
        "id": name,
        "relevance": labels.relevance,
        "relevance_score": round(labels.relevance_score, 6),
        "topics": [
            {"id": topic.topic_id, "score": round(topic.score, 6), "evidence": jsonable(topic.evidence)}
            for topic in labels.topics
        ],
        "primary": labels.primary,
        "taxonomy_version": labels.taxonomy_version,
        "relevance_evidence": jsonable(labels.relevance_evidence),
    }


def _json_lines(path: str) -> Iterator[tuple[int, dict[str, str | None] | str]]:
    """Number and object of each line, or what is wrong with it."""
    stream = sys.stdin.buffer if path == "-" else _open(path)
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield number, _record_of(line)


def _record_of(line: bytes) -> dict[str, str | None] | str:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except RecursionError:
        return "not a JSON object: nested too deeply"
    except ValueError as error:
        return f"not a JSON object: {error}"
    if not isinstance(record, dict):
        return f"not a JSON object: found {type(record).__name__}"
    for key in ("title", "text", "lang"):
        if not isinstance(record.get(key), (str, type(None))):
            return f"`{key}` is no text: found {type(record[key]).__name__}"
    return record


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _open(path: str) -> Iterator[bytes]:
    from io import BytesIO

    return BytesIO(read_bytes(path))


def _print_article(article: Article) -> None:
    for field in (article.section, article.title):
        if field:
            typer.echo(field)
    if article.byline:
        typer.echo("By " + ", ".join(article.byline))
    if article.published_at:
        typer.echo(article.published_at.isoformat())
    typer.echo(f"[{article.access.status}] {'; '.join(article.access.evidence)}\n")
    typer.echo(article.text)
    say(f"\n{len(article.paragraphs)} blocks kept, {len(article.removed)} cut (--explain lists them)")


def _print_ledger(article: Article) -> None:
    origin = dict(article.provenance)
    fields: list[tuple[str, str | None]] = [
        ("title", article.title),
        ("section", article.section),
        ("byline", ", ".join(article.byline) or None),
        ("date", article.published_raw),
        ("standfirst", article.standfirst),
        *((paragraph.kind, paragraph.text) for paragraph in article.paragraphs),
        *(("caption", caption) for caption in article.captions),
        ("bio", article.author_bio),
    ]
    for name, text in fields:
        if text:
            typer.echo(f"keep  {name:10}  {one_line(text)}" + (f"  [{origin[name]}]" if name in origin else ""))
    for removal in article.removed:
        typer.echo(f"cut   {removal.kind:10}  {one_line(removal.text)}  [{removal.rule}: {one_line(removal.evidence)}]")
    for repair in article.repairs:
        typer.echo(f"mend  {repair.kind:10}  {one_line(repair.before)}  ->  {one_line(repair.after)}")
    typer.echo(f"access {article.access.status}: {'; '.join(article.access.evidence)}")
