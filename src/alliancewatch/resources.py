"""Where the files that are not Python lie: config defaults, flows and SQL, in a checkout and in a wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def checkout_root() -> Path | None:
    """The checkout the package runs from, or None when it was installed from a wheel."""
    root = _PACKAGE.parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "flows").is_dir() else None


def resource(*parts: str) -> Path:
    """Path of a shipped file or folder, such as `resource("config", "sources.yaml")`."""
    return (checkout_root() or _PACKAGE / "_bundled").joinpath(*parts)
