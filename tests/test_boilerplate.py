"""The rules of what is furniture: read from a file, matched in linear time, each step by its evidence."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from alliancewatch.boilerplate import (
    BoilerplateRules,
    Line,
    caption_evidence,
    default_rules,
    fold,
    mark_boilerplate,
    match_rule,
)
from alliancewatch.config_file import parse_config
from alliancewatch.errors import ConfigError
from alliancewatch.resources import resource

RULES = default_rules()
PROSE = "The ministers met in Tokyo on Tuesday and agreed to widen the exchange of officers between the two staffs."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("• SHARE", "SHARE"),
        ("Facebook Twitter Email Print", "SHARE"),
        ("SUBSCRIBE NOW", "SUBSCRIBE"),
        ("残り298文字有料会員になると続きをお読みいただけます", "METER"),
        ("You've reached your limit of free articles.", "METER"),
        ("Try 3 months for $9", "OFFER"),
        ("[PR]", "AD"),
        ("Most Read", "RANKING"),
        ("アクセスランキング", "RANKING"),
        ("あわせて読みたい", "RELATED"),
        ("© 2026 A Publisher", "LEGAL"),
        ("5 min read", "AUDIO"),
        ("Leave a comment", "COMMENTS"),
        ("Tags: ports, drills", "TAGS"),
    ],
)
def test_furniture_is_known_by_its_words(text: str, kind: str) -> None:
    found = match_rule(text, "tail", RULES)
    assert found is not None
    assert found[0].kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "The message",
        "Quad",
        "2+2",
        "PRC",
        "Sponsorship of terrorism",
        "Share prices fell in Tokyo on Tuesday after the ministry named the first five companies on its list.",
        "He urged readers to subscribe now and then to a paper of the other side, if only to know what it says.",
        "新聞の有料会員になると続きが読める仕組みは、地方紙の経営をどう変えたのか。各社の担当者に話を聞いた。",
    ],
)
def test_body_text_is_not_furniture(text: str) -> None:
    assert match_rule(text, "body", RULES) is None


@pytest.mark.parametrize(
    "text",
    [
        "A patrol ship sails near the islands in May. | JAPAN COAST GUARD / VIA KYODO",
        "A patrol ship sails near the islands in May. © Kyodo",
        "Credit: (Jane Doe/Pool Photo via AP)",
        "Sailors load supplies in Sasebo. (U.S. Navy photo by Jane Doe)",
        "Soldiers at a drill in Oita in March. (AP Photo/Jane Doe)",
        "訓練で岸壁を調べる隊員＝3月、大分県（防衛省提供）",
        "共同会見に臨む外相（代表撮影）",
    ],
)
def test_captions_are_known_by_their_credit(text: str) -> None:
    assert caption_evidence(text, RULES) is not None


@pytest.mark.parametrize("text", [PROSE, "The photo shows little.", "U.S. | Japan", "（共同）の動きが広がる。"])
def test_other_text_is_no_caption(text: str) -> None:
    assert caption_evidence(text, RULES) is None


def test_everything_after_a_terminal_block_goes_with_it() -> None:
    lines = [Line(PROSE, group=1), Line("Sponsored Content", group=2), Line("A word from a bank", group=3)]
    mark_boilerplate(lines, RULES)
    assert [line.kind for line in lines] == [None, "SPONSOR", "SPONSOR"]
    assert "Sponsored Content" in lines[2].evidence


def test_a_terminal_block_in_the_middle_ends_nothing() -> None:
    long = PROSE + " " + PROSE.replace("Tuesday", "Friday")
    lines = [Line(text, group=n) for n, text in enumerate([long, "Related articles", long + " Or so.", long + " Yes."])]
    mark_boilerplate(lines, RULES)
    assert [line.kind for line in lines] == [None, "RELATED", None, None]


def test_version_is_that_of_the_content() -> None:
    text = resource("config", "boilerplate.yaml").read_text("utf-8")
    again = parse_config("# a comment\n" + text, BoilerplateRules, path="copy.yaml")
    assert again.version == RULES.version
    changed = parse_config(text.replace("- ^retweet$", "- ^reblog$"), BoilerplateRules, path="copy.yaml")
    assert changed.version != RULES.version


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- ^retweet$", "- ^$", "empty phrase"),
        (r"- '^\d{1,6} (?:shares?|retweets?|likes?)$'", r"- '^(shares?'", "not a regular expression"),
        (r"- '^\d{1,6} (?:shares?|retweets?|likes?)$'", r"- 'x*'", "matches empty text"),
        ("kind: SHARE", "kind: SHAREE", "unknown kind"),
        ("name: share-label", "nmae: share-label", "unknown key `nmae`"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(old: str, new: str, message: str) -> None:
    text = resource("config", "boilerplate.yaml").read_text("utf-8")
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(text.replace(old, new, 1), BoilerplateRules, path=Path("boilerplate.yaml"))
    assert caught.value.line == line


def every_prefix() -> list[str]:
    phrases = [phrase for rule in RULES.rules for phrase in rule.phrases[:3]]
    return ["Subscribe" + " " * 50, "Read more ", *(phrase.strip("^$") + " " for phrase in phrases)]


def test_matching_is_linear_in_the_input() -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        for prefix in every_prefix():
            text = prefix * times
            fold(text[:700])
            for zone in ("head", "body", "tail"):
                match_rule(text, zone, RULES)
            caption_evidence(text, RULES)
        return time.process_time() - start

    seconds(100)
    small, large = seconds(20_000), seconds(40_000)
    assert large < 2.5 * small + 0.1
