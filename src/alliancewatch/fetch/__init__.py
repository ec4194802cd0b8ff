"""The one door to the network: `Fetcher` is all that anybody outside this package needs."""

from alliancewatch.fetch.door import Fetcher, FetchKind

__all__ = ["FetchKind", "Fetcher"]
