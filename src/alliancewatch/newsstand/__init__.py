"""A small world of publishers of our own writing, served over real HTTP on the loopback address.

`demo` and the tests run on it: three ISO weeks (2026-W45 to 2026-W47 in Asia/Tokyo) of English and Japanese outlets
with feeds, walls, edits, copies, odd pages and failures, an outage, a redesign and a wall that goes up. Beside every
page stands the answer that cleaning and labelling should give.
"""

from alliancewatch.newsstand.answers import Expected, all_expected, expected
from alliancewatch.newsstand.server import Newsstand, Request, fixed_ports, sources, write_sources
from alliancewatch.newsstand.world import load_world

__all__ = [
    "Expected",
    "Newsstand",
    "Request",
    "all_expected",
    "expected",
    "fixed_ports",
    "load_world",
    "sources",
    "write_sources",
]
