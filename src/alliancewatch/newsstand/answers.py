"""The answers beside the stories: what cleaning and labelling a newsstand page should give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alliancewatch.model import AccessStatus, Outcome, Paragraph, Relevance
from alliancewatch.newsstand.world import ODD_OUTCOMES, CopyKind, Edition, OddItem, Outlet, load_world


@dataclass(frozen=True, slots=True)
class Expected:
    """What an editor would keep of one page at one instant, made from the data the page is made from.

    Texts are as the writer wrote them: two paragraphs the page joins are two here, a picture's caption is here
    without its credit, and not at all when it only repeats the headline. `published_at` is the instant itself, also
    where the page prints only the day. For a page that holds no article, only `title`, `published_at` and `outcome`
    are filled.
    """

    outlet_id: str
    slug: str
    path: str
    lang: str
    title: str
    published_at: datetime
    outcome: Outcome
    """Of the first visit; a later one is `unchanged`, `not_modified` or, with a new `edition`, `revised`."""
    edition: int = 1
    standfirst: str | None = None
    byline: tuple[str, ...] = ()
    section: str | None = None
    paragraphs: tuple[Paragraph, ...] = ()
    captions: tuple[str, ...] = ()
    author_bio: str | None = None
    notice: str | None = None
    """What the page prints about a change of its text; an editor may keep it or cut it."""
    access: AccessStatus = AccessStatus.NOT_ARTICLE
    remaining_chars: int | None = None
    total_chars: int | None = None
    relevance: Relevance = "irrelevant"
    topics: tuple[str, ...] = ()
    """Strongest first."""
    copy_of: str | None = None
    """`outlet/slug` of the story whose news it carries."""
    copy_kind: CopyKind | None = None
    """How much of its text."""

    @property
    def primary(self) -> str | None:
        """The strongest topic."""
        return self.topics[0] if self.topics else None

    @property
    def text(self) -> str:
        """Standfirst, subheads and paragraphs in page order, joined by blank lines."""
        blocks = [self.standfirst] if self.standfirst else []
        return "\n\n".join([*blocks, *(paragraph.text for paragraph in self.paragraphs)])


def expected(outlet_id: str, slug: str, at: datetime) -> Expected | None:
    """The answer for one page at that instant; None before it is published.

    Raises `UsageError` for an outlet or slug that does not exist.
    """
    world = load_world()
    outlet = world.outlet(outlet_id)
    for item in outlet.odd_items:
        if item.slug == slug:
            return _of_odd_item(outlet, item) if item.published <= at else None
    edition = world.story(outlet_id, slug).edition(at)
    return _of_edition(outlet, edition) if edition is not None else None


def all_expected(at: datetime) -> tuple[Expected, ...]:
    """The answers for every page that feeds offer at that instant, outlet by outlet."""
    world = load_world()
    answers = []
    for outlet in world.outlets.values():
        answers += [_of_edition(outlet, edition) for edition in world.published(outlet.id, at)]
        answers += [_of_odd_item(outlet, item) for item in outlet.odd_items if item.published <= at]
    return tuple(answers)


def _of_edition(outlet: Outlet, edition: Edition) -> Expected:
    story, facts = edition.story, edition.story.facts
    return Expected(
        outlet_id=outlet.id,
        slug=story.slug,
        path=outlet.path_of(story),
        lang=facts.lang or outlet.lang,
        title=edition.title,
        published_at=facts.published,
        outcome=Outcome.STORED,
        edition=edition.number,
        standfirst=edition.standfirst,
        byline=facts.byline,
        section=facts.section,
        paragraphs=tuple(Paragraph(block.kind, block.text) for block in edition.blocks if block.kind != "caption"),
        captions=tuple(
            block.text for block in edition.blocks if block.kind == "caption" and block.text != edition.title
        ),
        author_bio=facts.bio,
        notice=edition.notice,
        access=edition.access,
        remaining_chars=None if edition.total_chars is None else edition.total_chars - edition.shown_chars,
        total_chars=edition.total_chars,
        relevance=facts.relevance,
        topics=facts.topics,
        copy_of=facts.copy_of,
        copy_kind=facts.copy_kind if facts.copy_of else None,
    )


def _of_odd_item(outlet: Outlet, item: OddItem) -> Expected:
    return Expected(
        outlet_id=outlet.id,
        slug=item.slug,
        path=item.path,
        lang=outlet.lang,
        title=item.title,
        published_at=item.published,
        outcome=ODD_OUTCOMES[item.kind],
    )
