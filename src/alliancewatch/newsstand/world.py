"""The bundled publishers and their stories, read from the data files beside this module.

An outlet is a folder of `outlets/`: `outlet.yaml` (who it is, what it offers, where it fails), `article.html`
(its page template) and `stories/*.md`. A story is YAML front matter (the facts, and the answers a cleaner and a
classifier should give) and a body of blocks parted by blank lines:

    A paragraph.                    ## A subhead
    > A quotation set apart         - A list item (one line each)
    + A paragraph that the page joins to the one before without a space
    ![What the picture shows | CREDIT]

What a reader sees of a story at an instant is its `Edition`: a `revision` of the front matter changes the text, the
headline or both from its own instant on. An outlet may get another template (`redesign`), put a wall before all its
stories (`wall`) and be out of reach for a time (`outages`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from alliancewatch.config_file import parse_config, read_config
from alliancewatch.errors import ConfigError, UsageError
from alliancewatch.model import AccessStatus, Outcome, Relevance
from alliancewatch.sources import SourceId

OUTLETS = Path(__file__).parent / "outlets"

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{2,80}$")]
SitePath = Annotated[str, StringConstraints(pattern=r"^/\S*$")]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outage(_Data):
    """A stretch of time in which the addresses under `path` answer with `status` and nothing else."""

    path: SitePath
    status: int = Field(ge=400, le=599)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    def covers(self, path: str, at: datetime) -> bool:
        """Whether the address fails at that instant."""
        begun = self.since is None or self.since <= at
        ended = self.until is not None and self.until <= at
        return begun and not ended and path.startswith(self.path)


class Redesign(_Data):
    """From an instant on the outlet's pages, old and new, have another template: the same text in other markup."""

    at: AwareDatetime
    template: str


class Wall(_Data):
    """From an instant on the outlet shows of each story, old and new, the opening alone."""

    at: AwareDatetime
    access: AccessStatus
    shown: int = Field(ge=1)
    """Blocks of the body that stay."""


OddKind = Literal["login", "challenge", "soft_404", "listing", "missing", "gone", "disallowed"]

ODD_OUTCOMES: Mapping[OddKind, Outcome] = {
    "login": Outcome.WALLED,
    "challenge": Outcome.WALLED,
    "soft_404": Outcome.NOT_ARTICLE,
    "listing": Outcome.NOT_ARTICLE,
    "missing": Outcome.GONE,
    "gone": Outcome.GONE,
    "disallowed": Outcome.BLOCKED,
}


class OddItem(_Data):
    """A feed entry behind which there is no article."""

    slug: Slug
    kind: OddKind
    path: SitePath
    title: str
    summary: str
    published: AwareDatetime


CopyKind = Literal["full", "cut", "rewritten"]


class Revision(_Data):
    """What changes in a story at an instant: the headline, passages of the text, paragraphs added at the end."""

    at: AwareDatetime
    title: str | None = None
    standfirst: str | None = None
    replace: dict[str, str] = {}
    remove: tuple[str, ...] = ()
    """Passages whose paragraphs go."""
    append: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    """The whole text from then on, as of a story that is retracted."""
    notice: str | None = None
    """Line the page prints about the change."""


class StoryFacts(_Data):
    """Front matter of a story."""

    title: str
    published: AwareDatetime
    standfirst: str | None = None
    byline: tuple[str, ...] = ()
    section: str | None = None
    bio: str | None = None
    tags: tuple[str, ...] = ()
    copy_of: str | None = None
    """`outlet/slug` of the story whose news this one carries, credited in its byline or text."""
    copy_kind: CopyKind = "full"
    """The whole text; its opening, by `copy_blocks`; or the news in words of its own."""
    copy_blocks: int | None = Field(None, ge=1)
    lang: str | None = None
    """Where it differs from the outlet's."""
    encoding: str | None = None
    meta_encoding: str | None = None
    """What the page says of its encoding where that is wrong; the header is right then."""
    access: AccessStatus = AccessStatus.FULL
    total_chars: int | None = None
    """Length of the whole text in a story of which only the opening is shown."""
    relevance: Relevance = "relevant"
    topics: tuple[str, ...] = ()
    revisions: tuple[Revision, ...] = ()
    feed_twice: bool = False
    """The feed offers it a second time, under an address with tracking parameters."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.relevance == "relevant") != bool(self.topics):
            raise ValueError("a relevant story names its topics, strongest first, and no other does")
        if (self.copy_kind == "cut") != (self.copy_blocks is not None):
            raise ValueError("a story that is cut says at how many blocks, and no other does")
        if any(revision.at <= self.published for revision in self.revisions):
            raise ValueError("a revision comes after publication")
        return self


BlockKind = Literal["p", "h", "li", "quote", "caption"]


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a story's body."""

    kind: BlockKind
    text: str
    credit: str | None = None
    joined: bool = False
    """The page runs it into the block before, without a space."""


@dataclass(frozen=True, slots=True)
class Story:
    """One article of one outlet, in all its editions."""

    outlet_id: str
    slug: str
    facts: StoryFacts
    blocks: tuple[Block, ...]
    wall: Wall | None = None
    """Of its outlet."""

    def edition(self, at: datetime) -> Edition | None:
        """What readers see at that instant; None before publication."""
        facts = self.facts
        if at < facts.published:
            return None
        edition = Edition(
            self, 1, facts.published, facts.title, facts.standfirst, self.blocks, None, facts.access, facts.total_chars
        )
        for revision in facts.revisions:
            if revision.at <= at:
                edition = edition.revised(revision)
        return edition.behind(self.wall) if self.wall is not None and self.wall.at <= at else edition


@dataclass(frozen=True, slots=True)
class Edition:
    """A story as it stands from one instant to its next change."""

    story: Story
    number: int
    updated_at: datetime
    title: str
    standfirst: str | None
    blocks: tuple[Block, ...]
    notice: str | None
    access: AccessStatus
    total_chars: int | None
    """Length of the whole text where only the opening is shown and the page says so."""
    walled_at: datetime | None = None
    """When the outlet's wall went up, if it stands before this story."""

    def behind(self, wall: Wall) -> Edition:
        """What the wall leaves of it."""
        if self.access is not AccessStatus.FULL:
            return self
        opening = [block for block in self.blocks if block.kind != "caption"][: wall.shown]
        blocks = tuple(block for block in self.blocks if block.kind == "caption" or block in opening)
        return replace(self, blocks=blocks, access=wall.access, walled_at=wall.at)

    def revised(self, revision: Revision) -> Edition:
        """The edition after that change. Raises `UsageError` when a passage to be replaced is not there once."""
        blocks = self.blocks
        for old, new in revision.replace.items():
            if sum(block.text.count(old) for block in blocks) != 1:
                raise UsageError(f"revision of story {self.story.slug}: “{old}”: not exactly once in the text")
            blocks = tuple(replace(block, text=block.text.replace(old, new)) for block in blocks)
        for passage in revision.remove:
            if sum(passage in block.text for block in blocks) != 1:
                raise UsageError(f"revision of story {self.story.slug}: “{passage}”: not in exactly one paragraph")
            blocks = tuple(block for block in blocks if passage not in block.text)
        if revision.text:
            blocks = tuple(Block("p", text) for text in revision.text)
        return replace(
            self,
            number=self.number + 1,
            updated_at=revision.at,
            title=revision.title or self.title,
            standfirst=revision.standfirst or self.standfirst,
            blocks=blocks + tuple(Block("p", text) for text in revision.append),
            notice=revision.notice,
        )

    @property
    def shown_chars(self) -> int:
        """Characters of the body that the page holds."""
        return sum(len(block.text) for block in self.blocks if block.kind != "caption")


class Outlet(_Data):
    """One publisher: what `config/sources.yaml` says of it, and how its site behaves."""

    id: SourceId
    name: str
    kind: str
    country: str
    lang: str
    host: str
    """Name of its host in print; the pages are served from the loopback address."""
    tagline: str
    sections: dict[str, str]
    """Navigation: path to label."""
    zone: str
    paywall: str
    redistribution: Literal["extract", "headline"] = "extract"
    expected_per_week: int
    article_path: str
    """`str.format` pattern with `date` and `slug`."""
    feed: Literal["rss", "atom", "rdf"] = "rss"
    feed_path: SitePath
    feed_dates: Literal["offset", "jst", "gmt", "none"] = "offset"
    feed_full_text: bool = False
    sitemap_path: SitePath | None = None
    listing_path: SitePath | None = None
    encoding: str = "utf-8"
    charset_header: bool = True
    disallow: tuple[SitePath, ...] = ()
    family: str | None = None
    """Name of the publisher, where several outlets are of one."""
    template_of: SourceId | None = None
    """Outlet of the same family whose page template it uses."""
    redesign: Redesign | None = None
    wall: Wall | None = None
    evergreen: tuple[str, ...] = ()
    """Headlines of older stories, for the lists of related and most read ones."""
    outages: tuple[Outage, ...] = ()
    odd_items: tuple[OddItem, ...] = ()

    def template_at(self, at: datetime) -> str:
        """Name of its article template at that instant, relative to the folder of outlets."""
        name = self.redesign.template if self.redesign is not None and self.redesign.at <= at else "article.html"
        return f"{self.template_of or self.id}/{name}"

    @property
    def tzinfo(self) -> ZoneInfo:
        """Zone of the dates it prints."""
        return ZoneInfo(self.zone)

    def path_of(self, story: Story) -> str:
        """Path of the story's page."""
        return self.article_path.format(date=story.facts.published.astimezone(self.tzinfo), slug=story.slug)


@dataclass(frozen=True, slots=True)
class World:
    """All outlets, and the stories of each in order of publication."""

    outlets: Mapping[str, Outlet]
    stories: Mapping[str, tuple[Story, ...]]

    def outlet(self, outlet_id: str) -> Outlet:
        """The outlet of that id. Raises `UsageError` for an unknown one."""
        if outlet_id not in self.outlets:
            raise UsageError(f"unknown outlet: `{outlet_id}`: the newsstand has {', '.join(self.outlets)}")
        return self.outlets[outlet_id]

    def story(self, outlet_id: str, slug: str) -> Story:
        """The story of that slug. Raises `UsageError` for an unknown one."""
        self.outlet(outlet_id)
        for story in self.stories[outlet_id]:
            if story.slug == slug:
                return story
        raise UsageError(f"unknown story: `{outlet_id}/{slug}`: the outlet has no such article")

    def published(self, outlet_id: str, at: datetime) -> tuple[Edition, ...]:
        """Editions readers find at that instant, newest story first."""
        editions = (story.edition(at) for story in reversed(self.stories[outlet_id]))
        return tuple(edition for edition in editions if edition is not None)


@lru_cache(maxsize=1)
def load_world(folder: Path = OUTLETS) -> World:
    """The world in `folder`. Raises `ConfigError` for a file that is not as this module describes."""
    outlets: dict[str, Outlet] = {}
    stories: dict[str, tuple[Story, ...]] = {}
    for home in sorted(path.parent for path in folder.glob("*/outlet.yaml")):
        outlet = read_config(home / "outlet.yaml", Outlet)
        outlets[outlet.id] = outlet
        found = [_read_story(path, outlet.id) for path in sorted((home / "stories").glob("*.md"))]
        stories[outlet.id] = tuple(sorted(found, key=lambda story: (story.facts.published, story.slug)))
    originals = {f"{story.outlet_id}/{story.slug}": story for known in stories.values() for story in known}
    for outlet_id, known in stories.items():
        wall = outlets[outlet_id].wall
        stories[outlet_id] = tuple(replace(_with_copied_text(story, originals), wall=wall) for story in known)
    return World(outlets, stories)


_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n(.*)\Z", re.DOTALL)


def _read_story(path: Path, outlet_id: str) -> Story:
    match = _FRONT_MATTER.match(path.read_text("utf-8"))
    if match is None:
        raise ConfigError("a story begins with front matter between two lines of `---`", path=path, line=1)
    facts = parse_config("\n" + match[1], StoryFacts, path=path)  # the line of `---`, so that errors name the right one
    return Story(outlet_id, path.stem, facts, _parse_blocks(match[2]))


def _with_copied_text(story: Story, originals: Mapping[str, Story]) -> Story:
    if story.facts.copy_of is None:
        return story
    original = originals.get(story.facts.copy_of)
    if original is None:
        raise UsageError(f"story {story.outlet_id}/{story.slug} copies `{story.facts.copy_of}`: no such story")
    if story.facts.copy_kind == "rewritten":
        return story
    original = _with_copied_text(original, originals)
    text = tuple(block for block in original.blocks if block.kind != "caption")[: story.facts.copy_blocks]
    captions = tuple(block for block in story.blocks if block.kind == "caption")
    return replace(story, blocks=captions + text)


_MARKS: tuple[tuple[str, BlockKind], ...] = (("## ", "h"), ("> ", "quote"))


def _parse_blocks(body: str) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for chunk in re.split(r"\n{2,}", body.strip()):
        text = chunk.strip()
        if text.startswith("- "):
            blocks.extend(Block("li", line.removeprefix("- ")) for line in text.splitlines())
        elif text.startswith("!["):
            caption, _, credit = text.removeprefix("![").removesuffix("]").partition(" | ")
            blocks.append(Block("caption", caption, credit or None))
        elif text.startswith("+ "):
            blocks.append(Block("p", text.removeprefix("+ "), joined=True))
        elif text:
            mark, kind = next(((mark, kind) for mark, kind in _MARKS if text.startswith(mark)), ("", "p"))
            blocks.append(Block(kind, text.removeprefix(mark)))
    return tuple(blocks)
