"""What a publisher is, as read from `config/sources.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from alliancewatch.config_file import nearest
from alliancewatch.errors import UsageError

SourceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
HttpAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$", max_length=2048)]


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        suggestion = nearest(value, sorted(available_timezones()))
        raise ValueError("no such time zone" + (f", did you mean `{suggestion}`" if suggestion else ""))
    return value


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""An IANA time zone."""

IMPORTED = "imported"
"""Source id of saved pages whose host belongs to no source."""


class Source(BaseModel):
    """One publisher or one section of it: where it is looked for, in which language, on which terms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: SourceId
    name: str
    kind: Literal[
        "newspaper",
        "wire",
        "broadcaster",
        "magazine",
        "trade-press",
        "think-tank",
        "government",
        "military",
        "state-media",
    ]
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    lang: tuple[str, ...]
    homepage: HttpAddress
    feeds: tuple[HttpAddress, ...] = ()
    sitemaps: tuple[HttpAddress, ...] = ()
    listing: HttpAddress | None = None
    zone: ZoneName = "UTC"
    """Time zone of dates that name none."""
    paywall: Literal["none", "partial", "metered", "registration", "hard", "licence"] = "none"
    enabled: bool = False
    reason: str | None = None
    """Why the source is off."""
    mode: Literal["full", "headline_only"] = "full"
    """`headline_only`: title, link, date and the feed's own summary are stored, the page is not fetched."""
    redistribution: Literal["extract", "headline"] = "extract"
    """What the mailed digest may carry of the source: a short quotation, or title and link only."""
    expected_per_week: int | None = Field(None, ge=0)
    """New articles in an ordinary week; the digest's coverage block compares with it."""
    terms: str | None = None
    note: str | None = None

    @field_validator("lang", mode="before")
    @classmethod
    def _one_language_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _off_has_a_reason(self) -> Source:
        if self.enabled and not (self.feeds or self.sitemaps or self.listing):
            raise ValueError(f"`{self.id}` is enabled but names no feed, sitemap or listing")
        if not self.enabled and not self.reason:
            raise ValueError(f"`{self.id}` is off and gives no `reason`")
        return self

    @property
    def tzinfo(self) -> ZoneInfo:
        """`zone` as a time zone."""
        return ZoneInfo(self.zone)

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts of its homepage, feeds, sitemaps and listing, in lower case, `www.` left off, port kept."""
        addresses = (self.homepage, *self.feeds, *self.sitemaps, *([self.listing] if self.listing else ()))
        return frozenset(_host(address) for address in addresses)


class SourceCatalogue(BaseModel):
    """All sources of one `sources.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[Source, ...]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> SourceCatalogue:
        seen: set[str] = set()
        for source in self.sources:
            if source.id in seen:
                raise ValueError(f"source `{source.id}` stands twice")
            seen.add(source.id)
        return self

    def enabled(self) -> tuple[Source, ...]:
        """The sources of an ordinary run, in file order."""
        return tuple(source for source in self.sources if source.enabled)

    def get(self, source_id: str) -> Source | None:
        """The source of that id, on or off."""
        return next((source for source in self.sources if source.id == source_id), None)

    def choose(self, source_ids: Sequence[str]) -> tuple[Source, ...]:
        """The named sources, or all enabled ones when none is named. Raises `UsageError` for an unknown id."""
        if not source_ids:
            return self.enabled()
        chosen = []
        for source_id in dict.fromkeys(source_ids):
            source = self.get(source_id)
            if source is None:
                suggestion = nearest(source_id, [known.id for known in self.sources])
                hint = f"did you mean `{suggestion}`?" if suggestion else "list them with `alliancewatch sources list`"
                raise UsageError(f"unknown source: `{source_id}`: not in sources.yaml", hint=hint)
            chosen.append(source)
        return tuple(chosen)

    def by_host(self, url: str) -> Source | None:
        """The source whose host the address is on: the most specific one, sections of one host by longest path."""
        host = _host(url)
        matches = [source for source in self.sources if any(_is_on(host, known) for known in source.hosts)]
        if not matches:
            return None
        path = urlsplit(url).path

        def rank(source: Source) -> tuple[bool, int, bool]:
            home = urlsplit(source.homepage)
            prefix = home.path.rstrip("/")
            inside = _is_on(host, _host(source.homepage)) and path.startswith(prefix)
            return inside, len(prefix) if inside else 0, source.enabled

        return max(matches, key=rank)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower().removeprefix("www.")


def _is_on(host: str, known: str) -> bool:
    return host == known or host.endswith("." + known)
