"""What a site's robots.txt lets us fetch (RFC 9309), and how slowly it wants it.

Protego does the matching. Where it is laxer or stricter than the standard, the text is put straight first: a byte
order mark, line ends, product tokens with a version behind them, records other than the standard's own (which must
not end a group), and groups named by a part of our token.
"""

from __future__ import annotations

import re

from protego import Protego

_LINE_END = re.compile(r"\r\n?|\n")
_AGENT_LINE = re.compile(r"\s*(?:user[ -]?agent)\s*(?::|\s)\s*(.*)", re.IGNORECASE | re.DOTALL)
_RULE_LINE = re.compile(r"\s*(?:allow|dis+al+ow|diasllow|disallaw)\s*(?::|\s)", re.IGNORECASE)
_DELAY_LINE = re.compile(r"\s*(?:crawl[ -]delay|request[ -]rate)\s*(?::|\s)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_MAX_LINE = 2083 * 8 - 1
"""Where Google's parser cuts a line."""
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*|^[^/?#]*")


class RobotsRules:
    """The rules of one robots.txt, ready to be asked. Any text or bytes are accepted; what is no rule is skipped.

    HTML served in its place holds no rules.
    """

    def __init__(self, robots_txt: str | bytes) -> None:
        text = robots_txt.decode("utf-8", "replace") if isinstance(robots_txt, bytes) else robots_txt
        text = text.lstrip("\ufeff\ufffd \t\r\n").replace("\x00", "")
        rules: list[str] = []
        delays: list[str] = []
        self._groups: set[str] = set()
        for line in [] if text.startswith("<") else _LINE_END.split(text):
            # Protego splits at every line separator Unicode knows, RFC 9309 at CR and LF only.
            flat = " ".join(line[:_MAX_LINE].partition("#")[0].split())
            if agent := _AGENT_LINE.fullmatch(flat):
                name = _group_name(agent[1])
                self._groups.add(name)
                rules.append(f"User-agent: {name}")
                delays.append(rules[-1])
            elif _RULE_LINE.match(flat):
                rules.append(flat)
            elif _DELAY_LINE.match(flat):
                delays.append(flat)
        self._rules = Protego.parse("\n".join(rules))
        self._delays = Protego.parse("\n".join(delays))

    def allows(self, agent: str, url: str) -> bool:
        """Whether `agent` (a product token, or a whole User-Agent header) may fetch `url`."""
        path = _AUTHORITY.sub("", url, count=1)
        slash = "" if path.startswith("/") else "/"
        return bool(self._rules.can_fetch(f"http://host{slash}{path}", self._group(agent)))

    def delay_s(self, agent: str) -> float | None:
        """Seconds between two requests that the site asks of `agent` (Crawl-delay or Request-rate), if it does."""
        group = self._group(agent)
        stated = [self._delays.crawl_delay(group)]
        if rate := self._delays.request_rate(group):
            stated.append(rate.seconds / rate.requests)
        return max((delay for delay in stated if delay is not None), default=None)

    def _group(self, agent: str) -> str:
        """The group that names `agent`, else the one for everybody; a token matches whole and in any case."""
        named = _TOKEN.findall(agent) if "/" in agent else [agent]
        return max((name.lower() for name in named if name.lower() in self._groups), key=len, default="*")


def robots_allows(robots_txt: str | bytes, agent: str, url: str) -> bool:
    """Whether a site with this robots.txt lets `agent` fetch `url`, after RFC 9309. Never raises."""
    return RobotsRules(robots_txt).allows(agent, url)


def _group_name(value: str) -> str:
    """Product token of a User-agent line in lower case: `*`, or what stands before a version or a space."""
    if value == "*" or value.startswith("* "):
        return "*"
    token = _TOKEN.match(value)
    return token[0].lower() if token else "-"
