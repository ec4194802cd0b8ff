"""Quality and speed of `extract_text` on public page sets, beside trafilatura in the same run.

    .venv/bin/pip install trafilatura            # the yardstick; not a dependency
    .venv/bin/python bench/extraction.py         # quality, four page sets
    .venv/bin/python bench/extraction.py -d aeb --speed

The pages lie outside the repository, in ../shared; without them this says so and does nothing.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

SCORER = Path(__file__).resolve().parents[2] / "shared" / "tools" / "score_extraction.py"

if __name__ == "__main__":
    if not SCORER.is_file():
        sys.exit(f"skipped: the page sets are not here: {SCORER.parents[1]}")
    sys.argv = [str(SCORER), "alliancewatch:extract_text", "trafilatura", *sys.argv[1:]]
    runpy.run_path(str(SCORER), run_name="__main__")
