"""The learned judge of blocks: that its figures are those it was trained on, and how far its word goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliancewatch.boilerplate import default_rules
from alliancewatch.extract import block_model, clean_page
from alliancewatch.extract.block_model import load_odds, overrule, probability
from alliancewatch.extract.blocks import Document, read_document
from alliancewatch.extract.features import NAMES, NEVER_JUDGED, figures_of, judged_blocks
from alliancewatch.extract.html import mark_by_rules
from alliancewatch.extract.metadata import read_metadata

PAGES = sorted((Path(__file__).parent / "pages").glob("*.html"))


def marked(body: bytes) -> Document:
    rules = default_rules()
    document = read_document(body.decode("utf-8", "replace"), rules)
    mark_by_rules(document, read_metadata(document, None, None), rules)
    return document


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_figures_are_as_many_as_they_have_names(path: Path) -> None:
    document = marked(path.read_bytes())
    positions = judged_blocks(document)
    figures = figures_of(document, positions)
    assert [len(figure) for figure in figures] == [len(NAMES)] * len(positions)
    assert not {document.blocks[position].kind for position in positions} & NEVER_JUDGED
    assert all(0 < probability(figure) < 1 for figure in figures)


def test_a_page_without_text_is_left_to_the_rules() -> None:
    document = marked(b"<html><body><nav><a href=/a>One</a><a href=/b>Two</a></nav></body></html>")
    assert judged_blocks(document) == []
    before = [block.kind for block in document.blocks]
    overrule(document)
    assert [block.kind for block in document.blocks] == before


def test_what_the_model_decides_is_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    body = (Path(__file__).parent / "pages" / "full-en.html").read_bytes()
    kept = clean_page(body).article.paragraphs
    (first, *_) = [paragraph.text for paragraph in kept if paragraph.kind == "p"]
    doubted = marked(body)
    (position,) = [number for number, block in enumerate(doubted.blocks) if block.text == first]
    doubtful = figures_of(doubted, [position])[0]
    likely = block_model.probability
    monkeypatch.setattr(block_model, "probability", lambda figures: 0.04 if figures == doubtful else likely(figures))
    (removal,) = [removal for removal in clean_page(body).article.removed if removal.text == first]
    assert (removal.kind, removal.rule) == ("OUTSIDE", "block-model")
    assert removal.evidence == "0.04 likely to be of the article"


def test_half_of_a_page_is_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    body = (Path(__file__).parent / "pages" / "full-en.html").read_bytes()
    expected = clean_page(body).article.paragraphs
    monkeypatch.setattr(block_model, "probability", lambda _figures: 0.01)
    assert clean_page(body).article.paragraphs == expected


def test_a_model_of_other_figures_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "block_model.json"
    other.write_text('{"figures": ["weight"], "trees": []}', "ascii")
    monkeypatch.setattr(block_model, "MODEL", other)
    load_odds.cache_clear()
    with pytest.raises(ValueError, match="trained on other figures"):
        load_odds()
    monkeypatch.undo()
    load_odds.cache_clear()
    assert load_odds()(*[0.0] * len(NAMES))
