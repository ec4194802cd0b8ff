"""What a source offers: feeds, sitemaps and listing pages as bytes in, candidates out. Opens nothing itself."""

from alliancewatch.discover.document import FeedDocument, FeedEntry, candidates_of
from alliancewatch.discover.feeds import read_feed
from alliancewatch.discover.listings import read_listing
from alliancewatch.discover.sitemaps import read_sitemap

__all__ = ["FeedDocument", "FeedEntry", "candidates_of", "read_feed", "read_listing", "read_sitemap"]
