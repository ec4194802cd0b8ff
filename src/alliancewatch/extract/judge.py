"""Whether a page holds an article at all: listings, soft 404s, logins, consent pages, bot challenges, empty shells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from alliancewatch.boilerplate import Line, fold
from alliancewatch.extract.blocks import Document
from alliancewatch.extract.metadata import Metadata
from alliancewatch.prose import weight

Verdict = Literal["article", "not_article", "walled", "unreadable"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a page is, and one plain sentence why; the kind of page comes first."""

    verdict: Verdict
    reason: str


_CHALLENGE = re.compile(
    r"just a moment|checking your browser|verify(?:ing)? (?:that )?you are (?:a )?human|are you a robot"
    r"|attention required|security check|ddos protection|please verify you are"
    r"|enable javascript and cookies to continue|access denied|request unsuccessful|pardon our interruption"
    r"|unusual traffic|bot detection|captcha"
    r"|ロボットではない|アクセスが(?:制限|拒否)|セキュリティチェック|ブラウザを確認"
)
_CONSENT = re.compile(
    r"we (?:and our .{0,30}partners )?(?:use|store|value).{0,60}(?:cookies|privacy)|before you continue"
    r"|your privacy|manage (?:your )?(?:cookie|privacy)|accept all cookies|cookie consent|consent to"
    r"|クッキー|cookieの使用|個人情報.{0,20}同意"
)
_LOGIN = re.compile(r"(?:log|sign) ?in|password|my account|ログイン|パスワード|会員id")
_MISSING = re.compile(
    r"(?:page|article|story|file|content|url) (?:was |could |can |is |has |you .{0,30})?"
    r"(?:not|n't|no longer|been removed|been deleted|unavailable)"
    r"|(?:can't|cannot|couldn't|could not|unable to) (?:be )?f(?:i|ou)nd|404|not found"
    r"|no longer (?:available|exists)|does ?n[o']t exist"
    r"|(?:ページ|記事|コンテンツ)(?:が|は|を)?.{0,20}(?:見つかりません|ありません|存在しません|削除|終了|表示できません)"
    r"|掲載期間.{0,10}(?:終了|過ぎ)|お探しの"
)
_SCRIPT_NEEDED = re.compile(
    r"(?:enable|turn on|requires?|need).{0,20}javascript|javascript.{0,20}(?:enable|disabled|required|有効)"
)
_LISTING_PATH = re.compile(
    r"/(?:tags?|topics?|category|categories|authors?|writers?|search|archives?|page/\d+|latest|section)(?:/[^/]*){0,2}/?$",
    re.I,
)


_CARDS = 8
_TEASER_SHARE = 0.95
"""Of the text. Round-ups and rankings with a linked headline to each entry stay below .83 on 1,276 real pages."""
_TEASER_WEIGHT = 400
_HEADLINE_WEIGHT = 18
_LINKED = 0.9


@dataclass(frozen=True, slots=True)
class _Cards:
    """How far a page is a row of linked headlines with a paragraph under each."""

    count: int
    links: int
    teaser_share: float

    @classmethod
    def of(cls, document: Document) -> _Cards:
        """Counted over the page as it is shown."""
        count, links, teasers, prose, follows = 0, 0, 0, 0, False
        for block in document.blocks:
            if block.kind == "HIDDEN":
                continue
            if block.link_density > _LINKED and block.size >= _HEADLINE_WEIGHT:
                links += 1
                follows = True
            elif block.is_prose and block.form != "h":
                size = block.size if block.kind is None else 0
                prose += size
                if follows and size <= _TEASER_WEIGHT:
                    count += 1
                    teasers += size
                follows = False
        return cls(count, links, teasers / prose if prose else 1.0)


def judge_page(document: Document, metadata: Metadata, lines: Sequence[Line], url: str | None) -> Judgement:
    """Judge a page whose blocks are marked: unlabelled lines are its supposed body."""
    body = [line for line in lines if line.kind is None]
    size = sum(line.size for line in body)
    prose = [line for line in body if line.is_prose and line.form != "h"]
    prose_size = sum(line.size for line in prose)
    heading = fold(
        " ".join([document.title, *(line.text for line in lines if line.form == "h" and line.kind != "HIDDEN")][:4])[
            :600
        ]
    )
    everything = fold(" ".join(line.text for line in lines if line.kind != "HIDDEN")[:3000])

    if prose_size < 1500:
        if (hit := _MISSING.search(heading)) or (prose_size < 400 and (hit := _MISSING.search(everything[:400]))):
            return Judgement("not_article", f"soft 404: says «{hit.group()}»")
        if (hit := _CHALLENGE.search(heading)) or (prose_size < 500 and (hit := _CHALLENGE.search(everything[:1500]))):
            return Judgement("walled", f"bot challenge: says «{hit.group()}»")
    if prose_size < 800:
        if document.has_password and _LOGIN.search(heading):
            return Judgement("walled", "login: a password field and no article text")
        if prose_size < 600 and (hit := _CONSENT.search(heading)) is not None:
            return Judgement("walled", f"consent page: says «{hit.group()}»")
    if prose_size < 200:
        if document.has_password:
            return Judgement("walled", "login: a password field and no article text")
        if (hit := _CONSENT.search(everything)) and not metadata.is_article:
            return Judgement("walled", f"consent page: says «{hit.group()}»")
        if _SCRIPT_NEEDED.search(everything) or (document.script_chars > 200 and weight(everything) < 300):
            return Judgement("walled", "app shell: scripts and no article text")
    if metadata.is_listing and prose_size < 2500:
        return Judgement("not_article", f"listing: declares itself {', '.join(sorted(metadata.types))}")
    path = urlsplit(url or metadata.url or "").path if (url or metadata.url) else ""
    if _LISTING_PATH.search(path) and not metadata.is_article and prose_size < 2500:
        return Judgement("not_article", f"listing: its address ends in {path[-40:]}")
    if path in ("", "/") and (url or metadata.url) and not metadata.is_article and prose_size < 3000:
        return Judgement("not_article", "listing: it is a front page")
    cards = _Cards.of(document)
    if cards.count >= _CARDS and not metadata.is_article and cards.teaser_share >= _TEASER_SHARE:
        return Judgement("not_article", f"listing: {cards.count} linked headlines, each with a teaser")
    if size == 0:
        return Judgement(
            "not_article", f"listing: {cards.links} links and no text" if cards.links >= _CARDS else "no text"
        )
    return Judgement("article", f"article: {len(prose)} paragraphs")
