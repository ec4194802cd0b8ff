"""Writes the expected digests anew from `week.yaml`; read `git diff tests/digests` before committing them.

.venv/bin/python tests/digests/regenerate.py
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from digest_rows import VERSIONS, WEEK, read_week  # noqa: E402

from alliancewatch.digest import (  # noqa: E402
    DigestSettings,
    build_digest,
    render_eml,
    render_html,
    render_json,
    render_text,
)

SETTINGS = DigestSettings(max_per_topic=3, max_items=9, unsubscribe_url="https://digest.example/unsubscribe")


def expected_files() -> dict[str, bytes]:
    """File name → content: the full week, the same with Japanese headings, and a week in which nothing came."""
    articles, coverage, topics = read_week()
    japanese = SETTINGS.model_copy(update={"language": "ja", "title": "日米安全保障ダイジェスト"})
    files: dict[str, bytes] = {}
    for name, rows, settings in (
        ("week", articles, SETTINGS),
        ("week-ja", articles, japanese),
        ("empty", [], SETTINGS),
    ):
        digest = build_digest(WEEK, WEEK.cut, rows, coverage if rows else (), topics, settings, VERSIONS)
        files[f"{name}.html"] = render_html(digest).encode()
        files[f"{name}.txt"] = render_text(digest).encode()
        files[f"{name}.json"] = render_json(digest).encode()
        files[f"{name}.eml"] = render_eml(digest, settings, "Analyst@example.org ")
    return files


if __name__ == "__main__":
    for file_name, content in expected_files().items():
        (HERE / file_name).write_bytes(content)
