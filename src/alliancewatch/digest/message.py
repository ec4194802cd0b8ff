"""The digest as a complete mail message: the same digest, settings and recipient give the same bytes."""

from __future__ import annotations

from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime
from hashlib import sha256

from alliancewatch.digest.labels import LABELS, span
from alliancewatch.digest.model import Digest, DigestSettings, mail_address
from alliancewatch.digest.render import render_html, render_text
from alliancewatch.errors import UsageError
from alliancewatch.sanitize import one_line
from alliancewatch.week import TOKYO


class _Unfolded(UnstructuredHeader, BaseHeader):
    """A header on one line however long: folded, an address or id in it would turn into encoded words."""

    def fold(self, *, policy: Policy) -> str:
        """The header as it is sent."""
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
for _name in ("Message-ID", "List-Id", "List-Unsubscribe"):
    _HEADERS.map_to_type(_name, _Unfolded)

# A server need not offer 8BITMIME (RFC 6152), so bodies go out as ASCII.
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)


def render_eml(digest: Digest, settings: DigestSettings, to: str | None = None) -> bytes:
    """The message to one recipient, or to nobody named: `multipart/alternative` in ASCII with CRLF, text first.

    `Date` is the digest's as-of and `Message-ID` follows from list, week and recipient alone, so that a second copy is
    recognised as one, also one built at another time. Raises `UsageError` when `to` is not an address.
    """
    recipient = _recipient(to)
    domain = settings.sender_address.rpartition("@")[2]
    text, html = render_text(digest), render_html(digest)
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(one_line(settings.sender_name), addr_spec=settings.sender_address)
    message["To"] = recipient or "undisclosed-recipients:;"
    message["Subject"] = subject(digest)
    message["Date"] = format_datetime(digest.as_of.astimezone(TOKYO))
    message["Message-ID"] = f"<{_issue(digest, settings, recipient)}@{domain}>"
    message["List-Id"] = f"<{settings.list_id}>"
    for name, value in _unsubscribing(settings).items():
        message[name] = value
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    message.set_boundary("=_" + sha256(f"{text}\0{html}".encode()).hexdigest()[:40])
    return message.as_bytes()


def subject(digest: Digest) -> str:
    """One line that holds no word from the web: title, week, and how many articles there are."""
    labels = LABELS[digest.language]
    days = span(digest.start_at, digest.end_at, digest.language)
    news = labels["nothing"] if digest.is_empty else f"{labels['relevant_articles']}: {digest.counts.relevant}"
    return one_line(f"{digest.title}, {days} ({digest.week}), {news}")


def _recipient(to: str | None) -> str | None:
    try:
        return None if to is None else mail_address(to)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _issue(digest: Digest, settings: DigestSettings, recipient: str | None) -> str:
    whose = sha256(f"{settings.list_id}\0{recipient or ''}".lower().encode()).hexdigest()[:24]
    return f"{digest.week}.{whose}"


def _unsubscribing(settings: DigestSettings) -> dict[str, str]:
    """RFC 2369 and, where the address is https, RFC 8058; without an address, by mail to the sender."""
    url = settings.unsubscribe_url or f"mailto:{settings.sender_address}?subject=unsubscribe"
    headers = {"List-Unsubscribe": f"<{url}>"}
    if url.startswith("https:"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
