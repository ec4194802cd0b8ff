"""The classifier on labelled articles, on traps, and on input nobody would call an article."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from time import process_time
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from topic_scores import read_labelled, scores

from alliancewatch.classify import Classifier, Taxonomy
from alliancewatch.classify.classifier import _GROUPS
from alliancewatch.classify.fold import _FOLDABLE, _ONE_TO_ONE, fold
from alliancewatch.config_file import parse_config, read_config
from alliancewatch.errors import ConfigError
from alliancewatch.model import Evidence, Labels
from alliancewatch.resources import resource

ROOT = Path(__file__).resolve().parents[1]
LABELLED = ROOT / "tests" / "labelled"
SEEDS = ROOT.parent / "shared" / "seeds"
CONFIG = resource("config", "topics.yaml")


@cache
def taxonomy() -> Taxonomy:
    return read_config(CONFIG, Taxonomy)


@cache
def classifier() -> Classifier:
    return Classifier(taxonomy())


def topics(labels: Labels) -> list[str]:
    return [label.topic_id for label in labels.topics]


def training() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_topics", ROOT / "bench" / "train_topics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_topics"] = module
    spec.loader.exec_module(module)
    return module


# Quality ------------------------------------------------------------------------------------------------------------


def test_the_labelled_articles_keep_their_figures() -> None:
    gold = read_labelled(LABELLED / "topics.jsonl")
    found = scores(gold, {text.id: classifier().classify(text.title, text.text, text.lang) for text in gold})
    floors = {
        "relevance_precision": 0.97,
        "relevance_f1": 0.97,
        "grade_accuracy": 0.90,
        "topics_micro_f1": 0.88,
        "topics_macro_f1": 0.88,
        "primary_accuracy": 0.88,
    }
    assert {name: round(found[name], 3) for name, floor in floors.items() if found[name] < floor} == {}
    assert found["irrelevant_with_topic"] <= 0.05
    assert found["topics_micro_f1_ja"] >= found["topics_micro_f1_en"] - 0.05


def test_cross_validated_figures_reach_what_is_asked_of_other_articles() -> None:
    gold = [text for path in sorted(LABELLED.glob("*.jsonl")) for text in read_labelled(path)]
    found = scores(gold, training().cross_validated(taxonomy(), gold))
    floors = {
        "relevance_precision": 0.93,
        "relevance_f1": 0.95,
        "topics_micro_f1": 0.85,
        "topics_macro_f1": 0.80,
        "primary_accuracy": 0.85,
    }
    assert {name: round(found[name], 3) for name, floor in floors.items() if found[name] < floor} == {}
    assert found["irrelevant_with_topic"] <= 0.05
    assert found["topics_micro_f1_ja"] >= found["topics_micro_f1_en"] - 0.05


SEED_TITLE_LINES = {"001": 3, "002": 4, "003": 1, "004": 3}
SEED_LABELS = {
    "000": {"alliance-diplomacy", "east-china-sea", "trilateral-rok", "north-korea", "china-russia-strategy"},
    "001": {"alliance-diplomacy", "east-china-sea", "quad-indo-pacific"},
    "002": {"alliance-diplomacy", "east-china-sea", "china-russia-strategy"},
    "003": {"alliance-diplomacy", "east-china-sea", "defense-policy-budget"},
    "004": {"alliance-diplomacy", "deterrence", "quad-indo-pacific", "defense-industry"},
}


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the seed articles are not beside the checkout")
@pytest.mark.parametrize("seed", sorted(SEED_LABELS))
def test_a_seed_is_about_the_alliance(seed: str) -> None:
    (path,) = SEEDS.glob(f"{seed}_*.txt")
    text = path.read_text("utf-8")
    line = SEED_TITLE_LINES.get(seed)
    labels = classifier().classify(text.splitlines()[line - 1] if line else None, text, "en")
    assert labels.relevance == "relevant"
    assert labels.primary == "alliance-diplomacy"
    assert len(SEED_LABELS[seed] & set(topics(labels))) >= len(SEED_LABELS[seed]) - 1


# Traps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Duty on Japanese cars falls to 15%", "Tokyo and Washington agreed on the auto tariff. Carmakers cheered."),
        ("Ohtani homers twice", "The Dodgers' defense held in Tokyo as the pitcher struck out nine to win the series."),
        ("Patriots rally past Jets", "New England's defense forced two fumbles. The quarterback threw for 300 yards."),
        ("Quad bikes: wear a helmet", "Quads turn over easily. Farmers in Australia and India die every year."),
        ("Beaches of Okinawa", "Resort hotels on Okinawa near the old military base welcome tourists from America."),
        ("Securities firm in Tokyo fined", "The securities watchdog said security of client accounts was weak."),
        ("Germany orders new tanks", "The defence ministry in Berlin will buy 100 tanks for its troops, NATO said."),
        ("The fall of Iwo Jima", "The museum's exhibition recalls the Marines who took the island from Japan in 1945."),
        ("SDF carries water after quake", "Troops were deployed in Ishikawa, Japan, after the earthquake and tsunami."),
        ("井上が防衛戦", "ボクシングの世界王者、井上尚弥が米国で王座の防衛に成功した。試合は8ラウンドで終わった。"),
        ("米価が最高値", "米価の高騰が続き、政府は備蓄米を放出する。日本の消費者の負担は重い。"),
        ("日米株価そろって上昇", "東京市場の日経平均株価と米国の株価がそろって上がった。円安が支えた。"),
        ("修学旅行は沖縄で", "沖縄の観光地と水族館を巡る旅行。米軍基地のそばのカフェも人気だ。"),
        ("能登で地震、自衛隊が給水", "震度6強の地震で自衛隊の部隊が災害派遣された。避難所では給水が続く。"),
        ("大谷が日米通算300号", "ドジャースの大谷が本塁打を放った。守備も光り、試合は日本人投手が締めた。"),
    ],
)
def test_a_trap_is_irrelevant(title: str, text: str) -> None:
    labels = classifier().classify(title, text)
    assert (labels.relevance, topics(labels), labels.primary) == ("irrelevant", [], None)


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("解放軍東部戰區在臺灣海峽舉行演習，美國國防部表示關切，日本防衛省也密切關注局勢發展。" * 3, "zh"),
        ("台湾海峡局势紧张，美国和日本举行防务磋商，中国外交部表示坚决反对，要求停止干涉内政。" * 3, None),
        ("한미일 국방장관이 회담을 열고 북한의 미사일 위협에 대응하기로 했다.", "ko"),
        ("Министры обороны обсудили союз и безопасность в регионе.", "ru"),
        ("Der Bundestag hat den Haushalt beschlossen. Die Opposition kritisiert die Schulden.", "de"),
    ],
)
def test_another_language_is_honestly_irrelevant(text: str, lang: str | None) -> None:
    assert classifier().classify(None, text, lang).relevance == "irrelevant"


def found_terms(title: str | None, text: str) -> set[str]:
    return {evidence.term for evidence in classifier().classify(title, text).relevance_evidence}


def test_a_dateline_names_no_country() -> None:
    for dateline in ("TOKYO (Kyodo) -- ", "WASHINGTON, Nov. 3 (Jiji) — ", "Tokyo (Jiji Press)—", "【ワシントン共同】"):
        assert found_terms("Talks resume", f"{dateline}Talks resumed.") == set()
    assert "Tokyo" in found_terms("Talks resume", "TOKYO -- Tokyo resumed the talks.")


def test_us_is_told_from_the_pronoun() -> None:
    assert "US" in found_terms(None, "The US and the U.S. agree.")
    assert "US" not in found_terms(None, "They told us so.")
    assert "US" not in found_terms("GIVE US A BREAK, SAY COMMUTERS", "")


def test_words_are_found_whole_in_either_number() -> None:
    assert "missile" in found_terms(None, "Two missiles fell.")
    assert found_terms(None, "The Japanned box, the usurper, an armyworm and a navyblue coat.") == set()


def test_a_title_weighs_more_than_the_text() -> None:
    body = "Officials of Japan and the United States met on Friday. Tokyo spoke of security and of Taiwan."
    inside = classifier().figures("Officials meet", body).topics["taiwan"]
    above = classifier().figures("Officials meet on Taiwan", body).topics["taiwan"]
    assert above["title"] > inside["title"]
    assert classifier().classify("Taiwan Strait on the agenda", body).primary == "taiwan"


def test_typography_makes_no_difference() -> None:
    plain = "The US-Japan alliance and Self-Defense Forces drill near the Senkaku Islands with missile defense units."
    odd = (
        "The U.S. \u2013 Japan alliance and Self\u2011Defense Forces drill near the\u00a0Sen\u200bkaku Islands "
        "with missile defence units."
    )
    assert [label.topic_id for label in classifier().classify(None, plain).topics] == [
        label.topic_id for label in classifier().classify(None, odd).topics
    ]
    assert fold("ＮＡＴＯと２＋２、ｶﾞｽ田").cased == "NATOと2+2、ガス田"


# Invariants ---------------------------------------------------------------------------------------------------------

TERMS = sorted(
    {*taxonomy().relevance.japan.terms(), *taxonomy().relevance.security.terms(), *taxonomy().decoys.terms()}
)
PIECES = st.one_of(
    st.sampled_from(TERMS),
    st.sampled_from(
        ["U.S.", "U. S.", "U.S.A.", "ﬁ", "㈱", "…", "\u200b", "ｶﾞ", "e\u0301", "İ", "ß", " \u00a0", "—", "s"]
    ),
    st.text(max_size=8),
)
KNOWN_TERMS = {
    fold(term).plain
    for term in (
        *(term for topic in taxonomy().topics for part in (topic.en, topic.ja) for _, term in part.terms()),
        *(term for name in _GROUPS for term in getattr(taxonomy().relevance, name).terms()),
    )
}
TEXTS = st.lists(PIECES, max_size=40).map(" ".join) | st.lists(PIECES, max_size=40).map("".join)


def all_evidence(labels: Labels) -> list[Evidence]:
    return [*labels.relevance_evidence, *(evidence for label in labels.topics for evidence in label.evidence)]


@given(title=st.none() | TEXTS, text=TEXTS, lang=st.sampled_from([None, "en", "ja", "zh", "und"]))
@settings(max_examples=250, deadline=None)
def test_labels_are_sound(title: str | None, text: str, lang: str | None) -> None:
    labels = classifier().classify(title, text, lang)
    assert labels == classifier().classify(title, text, lang)
    assert 0 <= labels.relevance_score <= 1
    assert labels.primary == (labels.topics[0].topic_id if labels.topics else None)
    assert (labels.relevance == "irrelevant") == (not labels.topics)
    strengths = [label.score for label in labels.topics]
    assert strengths == sorted(strengths, reverse=True)
    assert all(0 <= strength <= 1 for strength in strengths)
    assert all(label.evidence for label in labels.topics)
    for evidence in all_evidence(labels):
        given_field = title if evidence.field == "title" else text
        assert given_field is not None
        assert given_field[evidence.start : evidence.end] == evidence.term
        assert fold(evidence.term).plain in KNOWN_TERMS


def test_what_folding_leaves_out_folds_to_itself() -> None:
    plain = [chr(code_point) for code_point in range(0x10000) if not _FOLDABLE.match(chr(code_point))]
    assert [char for char in plain if char.translate(_ONE_TO_ONE) != char] == []


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_folding_keeps_the_way_back(text: str) -> None:
    folded = fold(text)
    assert len(folded.cased) == len(folded.plain)
    before = 0
    for at in range(len(folded.plain)):
        place = folded.span(at, at + 1)
        if place is not None:
            assert before <= place[0] < place[1] <= len(text)
            before = place[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Taiwan " * 150_000,
        "U.S. " * 200_000,
        "防衛" * 500_000,
        "e\u0301" * 500_000,
        "\u0301\u0316" * 500_000,
        "\u200b" * 1_000_000,
        "\n" * 1_000_000,
        "( " * 500_000,
        "\ufffd\udc80" * 500_000,
        "JAPAN AND US FORCES. " * 48_000,
    ],
    ids=[
        "empty",
        "one word",
        "U.S.",
        "kanji",
        "accents",
        "marks",
        "zero width",
        "lines",
        "brackets",
        "mojibake",
        "caps",
    ],
)
def test_a_megabyte_of_anything_is_bounded(text: str) -> None:
    started = process_time()
    labels = classifier().classify(None, text)
    assert process_time() - started < 6
    assert len(all_evidence(labels)) <= 20 * 7


def test_nothing_is_irrelevant() -> None:
    for title, text in ((None, ""), ("", ""), ("   ", "\n\n"), ("Ã©Ã¨â€™", "ã\x81\x82ã\x81\x84 ï¿½ï¿½")):
        labels = classifier().classify(title, text)
        assert (labels.relevance, labels.topics, labels.relevance_evidence) == ("irrelevant", (), ())


def test_a_shouted_article_is_still_read() -> None:
    text = "JAPAN AND THE UNITED STATES OPENED A JOINT EXERCISE WITH MISSILE DEFENSE UNITS NEAR OKINAWA. NATO WATCHED."
    labels = classifier().classify("TOKYO AND WASHINGTON START JOINT DRILL", text)
    assert labels.relevance == "relevant"
    assert labels.primary == "exercises-operations"


# The file -----------------------------------------------------------------------------------------------------------


def test_the_taxonomy_has_the_sixteen_topics() -> None:
    gold = {topic for text in read_labelled(LABELLED / "topics.jsonl") for topic in text.topics}
    assert {topic.id for topic in taxonomy().topics} == gold
    assert len(gold) == 16


def test_the_version_names_the_content() -> None:
    assert classifier().classify(None, "").taxonomy_version == taxonomy().content_version
    changed = parse_config(CONFIG.read_text("utf-8").replace("Camp Schwab", "Camp Hokkaido"), Taxonomy, path=CONFIG)
    assert changed.content_version != taxonomy().content_version
    commented = parse_config(CONFIG.read_text("utf-8") + "\n# a remark\n", Taxonomy, path=CONFIG)
    assert commented.content_version == taxonomy().content_version


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("weights: {strong: 3", "weights: {strong: 300", "weights.strong"),
        ("datelines:\n", "datelines:\n- '[A-Z'\n", "bad regular expression '[A-Z'"),
        ("version: 1\n", "version: 1\nthresold: 6\n", "unknown key `thresold`"),
        ("- id: taiwan\n", "- id: deterrence\n", "stand twice"),
        ("    - nuclear umbrella\n", "    - nuclear umbrella\n    - nuclear umbrella\n", "nuclear umbrella"),
        ("    - nuclear umbrella\n", '    - "nuclear {umbrella"\n', "braces"),
        ("topic_threshold: 0.45", "topic_threshold: 45", "topic_threshold"),
        ("      body_share:", "      bodyshare:", "weighs exactly"),
        ("accompanies: [alliance-diplomacy", "accompanies: [alliance", "do not exist"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(before: str, after: str, said: str) -> None:
    text = CONFIG.read_text("utf-8")
    assert before in text
    with pytest.raises(ConfigError, match=r"topics\.yaml:\d+: ") as caught:
        parse_config(text.replace(before, after, 1), Taxonomy, path=CONFIG)
    assert said in str(caught.value)
