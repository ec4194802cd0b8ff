"""A small learned judge that overrules the rules where they are far from likely to be right.

Gradient-boosted trees over the figures of a block (`features.NAMES`), trained on pages whose article is known by
`bench/train_extraction.py` and shipped as `block_model.json`. Evaluated in plain Python, so that the same page
gives the same article everywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from alliancewatch.extract.blocks import Document
from alliancewatch.extract.features import NAMES, figures_of, judged_blocks

MODEL = Path(__file__).with_name("block_model.json")

KEEP_FROM, CUT_BELOW = 0.65, 0.35
"""A block that was cut is kept from the one on, and one that was kept is cut below the other; between them the rules
decide.
"""

_LEAST_LEFT = 0.5


@cache
def load_odds() -> Callable[..., float]:
    """A function of the figures, in the order of `NAMES`, that gives the log odds of being of the article.

    The trees become one expression that Python compiles: twenty times as fast as walking them. Raises `ValueError` when
    the model was trained on other figures.
    """
    content = json.loads(MODEL.read_text("ascii"))
    if content["figures"] != list(NAMES):
        raise ValueError(f"{MODEL.name} was trained on other figures; run bench/train_extraction.py")
    arguments = ", ".join(f"f{number}" for number in range(len(NAMES)))
    expression = " + ".join(map(_expression_of, content["trees"])) or "0.0"
    odds: Callable[..., float] = eval(f"lambda {arguments}: {expression}")  # noqa: S307 (numbers of our own file)
    return odds


def _expression_of(node: Any) -> str:
    """A leaf is its value; else (number of the figure, threshold, node up to it, node above it)."""
    if not isinstance(node, list):
        return repr(float(node))
    number, threshold, below, above = node
    return f"({_expression_of(below)} if f{int(number)} <= {float(threshold)!r} else {_expression_of(above)})"


def probability(figures: Sequence[float]) -> float:
    """How likely the block with these figures is of the article, 0 to 1."""
    return 1 / (1 + math.exp(-load_odds()(*figures)))


def overrule(document: Document) -> None:
    """Keep what was cut, and cut what was kept, where the model is far from the rules.

    Nothing is cut if it were more than half of what the rules keep: such a page is not like those it was trained on.
    """
    positions = judged_blocks(document)
    cut: list[tuple[int, float]] = []
    for position, figures in zip(positions, figures_of(document, positions), strict=True):
        block = document.blocks[position]
        likely = probability(figures)
        if block.kind is None and likely < CUT_BELOW:
            cut.append((position, likely))
        elif block.kind is not None and likely > KEEP_FROM:
            block.kind, block.rule = None, "block-model"
            block.evidence = f"{likely:.2f} likely to be of the article, though {block.evidence}"
    kept = sum(block.size for block in document.blocks if block.kind is None)
    going = sum(document.blocks[position].size for position, _ in cut)
    if going <= kept * _LEAST_LEFT:
        for position, likely in cut:
            document.blocks[position].label("OUTSIDE", "block-model", f"{likely:.2f} likely to be of the article")
