"""The digest's own words, in English and Japanese. A number always follows its noun, so that no plural is needed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from alliancewatch.week import TOKYO

Language = Literal["en", "ja"]

# Not strftime, which follows the machine's locale.
_DAYS = {"en": str.split("Mon Tue Wed Thu Fri Sat Sun"), "ja": list("月火水木金土日")}
_MONTHS = str.split("January February March April May June July August September October November December")

LABELS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "also_in": "Also in",
        "also_noted": "Also noted: borderline",
        "as_of": "As known on",
        "borderline": "borderline",
        "by_topic": "Relevant articles by topic",
        "came": "New",
        "chars_missing": "characters not shown",
        "coverage": "Coverage",
        "expected": "Expected",
        "failed": "Failing",
        "first_seen": "first seen",
        "headline_only": "headline only, by the outlet’s terms",
        "irrelevant": "irrelevant",
        "late": "Late: from earlier weeks",
        "late_note": "First seen after the digest of their own week was cut.",
        "left_out": "Left out",
        "left_after_as_of": "seen after this digest’s cut",
        "left_borderline": "borderline, not listed",
        "left_irrelevant": "irrelevant",
        "left_outside_week": "of other weeks",
        "left_over_limit": "relevant, beyond the room there is",
        "left_superseded": "older revisions",
        "links": "Links",
        "made_by": "Made by AllianceWatch",
        "missing": "missing",
        "more": "Further on this topic, listed in digest.json",
        "more_sources": "More sources",
        "nothing": "Nothing new",
        "nothing_note": "No relevant article came in this week.",
        "no_sources": "No source was watched in this week.",
        "not_due": "Nothing came, nothing expected",
        "other": "Other",
        "partial": "Opening only",
        "polls_failed": "failed looks",
        "read": "Articles read",
        "relevant": "Relevant",
        "relevant_articles": "relevant articles",
        "revised": "Revised",
        "rules": "rules",
        "shown": "Shown",
        "silent": "Silent, though something was expected",
        "source": "Source",
        "sources_watched": "Sources watched",
        "taxonomy": "taxonomy",
        "extractor": "extractor",
        "unsubscribe": "Unsubscribe",
        "access_teaser": "teaser",
        "access_metered": "metered",
        "access_registration": "teaser, registration needed",
        "access_adblock_notice": "teaser, ad-block notice",
        "access_blocked": "blocked",
        "access_not_article": "not an article",
    },
    "ja": {
        "also_in": "同文掲載",
        "also_noted": "参考(関連度が境界の記事)",
        "as_of": "基準時刻",
        "borderline": "境界",
        "by_topic": "テーマ別の関連記事数",
        "came": "新着",
        "chars_missing": "文字が非表示",
        "coverage": "収集状況",
        "expected": "見込み",
        "failed": "取得失敗",
        "first_seen": "初回確認",
        "headline_only": "配信元の規約により見出しのみ",
        "irrelevant": "無関係",
        "late": "遅着(前週以前の記事)",
        "late_note": "該当する週のダイジェスト締め切り後に確認した記事。",
        "left_out": "非掲載",
        "left_after_as_of": "基準時刻より後に確認",
        "left_borderline": "境界(一覧外)",
        "left_irrelevant": "無関係",
        "left_outside_week": "他の週の記事",
        "left_over_limit": "関連あり(掲載上限超過)",
        "left_superseded": "旧版",
        "links": "リンク",
        "made_by": "作成: AllianceWatch",
        "missing": "未取得",
        "more": "このテーマの他の記事(digest.json に掲載)",
        "more_sources": "その他の配信元",
        "nothing": "新着なし",
        "nothing_note": "この週に関連記事はありませんでした。",
        "no_sources": "この週に確認した配信元はありません。",
        "not_due": "新着なし(見込みなし)",
        "other": "その他",
        "partial": "冒頭のみ",
        "polls_failed": "確認失敗",
        "read": "確認記事",
        "relevant": "関連あり",
        "relevant_articles": "関連記事",
        "revised": "更新",
        "rules": "規則",
        "shown": "掲載",
        "silent": "見込みがあったが新着なし",
        "source": "配信元",
        "sources_watched": "確認した配信元",
        "taxonomy": "分類体系",
        "extractor": "抽出器",
        "unsubscribe": "配信停止",
        "access_teaser": "冒頭のみ公開",
        "access_metered": "閲覧数制限あり",
        "access_registration": "要登録",
        "access_adblock_notice": "広告ブロック通知",
        "access_blocked": "閲覧不可",
        "access_not_article": "記事以外",
    },
}


def day(instant: datetime, language: Language, *, year: bool = False) -> str:
    """The day in Tokyo: `Tue 17 Nov` or `11月17日(火)`, with the year if asked for."""
    local = instant.astimezone(TOKYO)
    weekday = _DAYS[language][local.weekday()]
    if language == "ja":
        return (f"{local.year}年" if year else "") + f"{local.month}月{local.day}日({weekday})"
    return f"{weekday} {local.day} {_MONTHS[local.month - 1][:3]}" + (f" {local.year}" if year else "")


def minute(instant: datetime, language: Language) -> str:
    """Day with year and time of day in Tokyo: `Mon 23 Nov 2026, 07:00 JST`."""
    local = instant.astimezone(TOKYO)
    between = " " if language == "ja" else ", "
    return f"{day(instant, language, year=True)}{between}{local.hour:02d}:{local.minute:02d} JST"


def span(start_at: datetime, end_at: datetime, language: Language) -> str:
    """The days of a half-open week in Tokyo: `16–22 November 2026`, naming month and year twice only if they differ."""
    first, last = start_at.astimezone(TOKYO), (end_at - timedelta(days=1)).astimezone(TOKYO)
    if language == "ja":
        same = first.year == last.year
        return f"{day(first, 'ja', year=True)}〜{day(last, 'ja', year=not same)}"
    head = f"{first.day}"
    if first.month != last.month:
        head += f" {_MONTHS[first.month - 1]}"
    if first.year != last.year:
        head += f" {first.year}"
    joint = "–" if head.isdigit() else " – "
    return f"{head}{joint}{last.day} {_MONTHS[last.month - 1]} {last.year}"
