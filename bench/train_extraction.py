"""Trains the block model of the cleaner, and says what it brings on sites it has not seen.

    .venv/bin/pip install lightgbm               # for training alone; not a dependency
    .venv/bin/python bench/train_extraction.py   # cross-validated figures, then writes extract/block_model.json

The pages lie outside the repository, in ../shared; without them this says so and does nothing. A block counts as of the
article when most of its 4-shingles stand in the gold text. Folds are by site: no site is in training and test.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections import defaultdict
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import alliancewatch.extract as extract
from alliancewatch.boilerplate import default_rules
from alliancewatch.extract.block_model import CUT_BELOW, KEEP_FROM, MODEL
from alliancewatch.extract.blocks import read_document
from alliancewatch.extract.features import NAMES, figures_of, judged_blocks
from alliancewatch.extract.html import mark_by_rules
from alliancewatch.extract.metadata import read_metadata
from alliancewatch.prose import weight

SHARED = Path(__file__).resolve().parents[2] / "shared"
PAGES = SHARED / "data" / "pages"
FOLDS, ROUNDS, SEED = 5, 200, 1
SETTINGS = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.06,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5,
    "verbose": -1,
    "seed": SEED,
    "num_threads": 2,
    "deterministic": True,
    "force_row_wise": True,
}
SHINGLE = 4
_TWO_PART_ENDINGS = frozenset(["co", "com", "or", "ne", "ac", "go", "org", "gov"])


@dataclass
class Page:
    """A page as the rules leave it, with the answers."""

    dataset: str
    site: str
    gold: str
    texts: list[str]
    kept: list[bool]
    judged: list[int]
    figures: list[tuple[float, ...]]
    answers: list[bool | None]
    weights: list[float]


def site_of(url: str | None, fallback: str) -> str:
    """The registrable part of the page's host, near enough."""
    parts = (urlsplit(url or "").hostname or fallback).split(".")
    return ".".join(parts[-3:] if len(parts) > 2 and parts[-2] in _TWO_PART_ENDINGS else parts[-2:])


def read_page(row: dict[str, Any], metrics: Any) -> Page | None:
    """The page of a row of the index; None without gold text or blocks."""
    if row.get("gold") is None:
        return None
    decoded = extract.decode(gzip.decompress((PAGES / row["file"]).read_bytes()), None)
    rules = default_rules()
    document = read_document(decoded.text, rules)
    mark_by_rules(document, read_metadata(document, row.get("url"), None), rules)
    positions = judged_blocks(document)
    gold = metrics.tokens(row["gold"])
    shingles = {tuple(gold[at : at + SHINGLE]) for at in range(max(1, len(gold) - SHINGLE + 1))}
    spaced = f" {' '.join(gold)} "

    def answer(text: str) -> bool | None:
        tokens = metrics.tokens(text)
        if not tokens:
            return None
        if len(tokens) < SHINGLE:
            return f" {' '.join(tokens)} " in spaced
        own = [tuple(tokens[at : at + SHINGLE]) for at in range(len(tokens) - SHINGLE + 1)]
        return sum(shingle in shingles for shingle in own) > len(own) / 2

    answers = [answer(document.blocks[position].text) for position in positions]
    sizes = [weight(document.blocks[position].text) for position in positions]
    whole = max(1, sum(size for size, is_article in zip(sizes, answers, strict=True) if is_article))
    return Page(
        row["dataset"],
        site_of(row.get("url"), row["id"]),
        row["gold"],
        [block.text for block in document.blocks],
        [block.kind in (None, "DEK") for block in document.blocks],
        positions,
        figures_of(document, positions),
        answers,
        [(size / whole) ** 0.5 + 0.02 for size in sizes],
    )


def fit(pages: list[Page]) -> Any:
    """A booster trained on the judged blocks of these pages."""
    lightgbm, numpy = import_module("lightgbm"), import_module("numpy")
    rows = [
        (figures, is_article, size)
        for page in pages
        for figures, is_article, size in zip(page.figures, page.answers, page.weights, strict=True)
        if is_article is not None
    ]
    data = lightgbm.Dataset(
        numpy.array([row[0] for row in rows], dtype=numpy.float64),
        numpy.array([row[1] for row in rows], dtype=numpy.int8),
        weight=numpy.array([row[2] for row in rows]),
    )
    return lightgbm.train(SETTINGS, data, num_boost_round=ROUNDS)


def overruled(page: Page, likely: Any) -> list[bool]:
    """What is kept once the model has had its say."""
    kept = list(page.kept)
    for position, probability in zip(page.judged, likely, strict=True):
        kept[position] = probability > KEEP_FROM or (kept[position] and probability >= CUT_BELOW)
    return kept


def node_of(tree: dict[str, Any]) -> Any:
    """A tree of LightGBM's dump as `block_model` reads it."""
    if "leaf_value" in tree:
        return float(f"{tree['leaf_value']:.5g}")
    assert tree["decision_type"] == "<="
    return [
        tree["split_feature"],
        float(f"{tree['threshold']:.6g}"),
        node_of(tree["left_child"]),
        node_of(tree["right_child"]),
    ]


def main() -> int:
    """Prints page F1 before and after, by set; then trains on all pages and writes the model."""
    if not PAGES.is_dir():
        print(f"skipped: the page sets are not here: {PAGES}")
        return 0
    sys.path.insert(0, str(SHARED / "tools"))
    numpy = import_module("numpy")
    metrics = import_module("extraction_metrics")

    with (PAGES / "index.jsonl").open(encoding="utf-8") as lines:
        index = [json.loads(line) for line in lines]
    pages = [page for row in index if (page := read_page(row, metrics)) is not None]
    sites = sorted({page.site for page in pages})
    random.Random(SEED).shuffle(sites)
    fold_of = {site: number % FOLDS for number, site in enumerate(sites)}
    scores: dict[str, dict[str, list[float]]] = {"rules": defaultdict(list), "with the model": defaultdict(list)}
    for fold in range(FOLDS):
        booster = fit([page for page in pages if fold_of[page.site] != fold])
        for page in (page for page in pages if fold_of[page.site] == fold):
            likely = booster.predict(numpy.array(page.figures)) if page.figures else []
            for name, kept in (("rules", page.kept), ("with the model", overruled(page, likely))):
                text = "\n\n".join(text for text, is_kept in zip(page.texts, kept, strict=True) if is_kept)
                scores[name][page.dataset].append(metrics.page_scores(page.gold, text)["f1_4"])
    print(f"{len(pages)} pages of {len(sites)} sites, {FOLDS} folds by site; lightgbm {version('lightgbm')}")
    for name, by_set in scores.items():
        means = ", ".join(f"{dataset} {sum(found) / len(found):.4f}" for dataset, found in by_set.items())
        print(f"{name}: {means}")
    trees = [node_of(tree["tree_structure"]) for tree in fit(pages).dump_model()["tree_info"]]
    MODEL.write_text(json.dumps({"figures": list(NAMES), "trees": trees}, separators=(",", ":")) + "\n", "ascii")
    print(f"wrote {MODEL}: {len(trees)} trees, {MODEL.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
