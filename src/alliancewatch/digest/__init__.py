"""The weekly digest: built from rows, rendered as HTML, text, JSON and mail. No clock, database or network."""

from alliancewatch.digest.build import build_digest
from alliancewatch.digest.message import render_eml, subject
from alliancewatch.digest.model import (
    Counts,
    Digest,
    DigestArticle,
    DigestItem,
    DigestSettings,
    LeftOut,
    Redistribution,
    Section,
    SourceCoverage,
    mail_address,
)
from alliancewatch.digest.render import render_html, render_json, render_text

__all__ = [
    "Counts",
    "Digest",
    "DigestArticle",
    "DigestItem",
    "DigestSettings",
    "LeftOut",
    "Redistribution",
    "Section",
    "SourceCoverage",
    "build_digest",
    "mail_address",
    "render_eml",
    "render_html",
    "render_json",
    "render_text",
    "subject",
]
