"""Config files and the environment: what is accepted, and what a mistake looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliancewatch.errors import ConfigError, UsageError
from alliancewatch.settings import Config, load_config
from alliancewatch.sources import SourceCatalogue


def config(tmp_path: Path, environment: dict[str, str] | None = None, **files: str) -> Config:
    folder = tmp_path / "config"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return load_config(environment or {}, cwd=tmp_path, home=tmp_path)


def source(**changes: object) -> str:
    entry = {
        "id": "a-paper", "name": "A Paper", "kind": "newspaper", "country": "JP", "lang": "en",
        "homepage": "https://a.example/", "feeds": ["https://a.example/rss"], "enabled": True, **changes,
    }  # fmt: skip
    return "sources:\n- " + "\n  ".join(f"{key}: {value}" for key, value in entry.items() if value is not None) + "\n"


def test_a_home_without_config_uses_the_packaged_defaults(tmp_path: Path) -> None:
    loaded = load_config({}, cwd=tmp_path, home=tmp_path)
    assert loaded.settings.fetch.deadline_s == 30
    assert len(loaded.sources.sources) == 117
    assert 40 <= len(loaded.sources.enabled()) <= 50
    assert set(loaded.contents) == {"settings.yaml", "sources.yaml", "topics.yaml", "boilerplate.yaml", "digest.yaml"}


def test_the_catalogue_keeps_its_promises(tmp_path: Path) -> None:
    for entry in load_config({}, cwd=tmp_path, home=tmp_path).sources.sources:
        if entry.enabled:
            assert entry.feeds or entry.sitemaps, entry.id
        else:
            assert entry.reason, entry.id
        if entry.mode == "headline_only":
            assert entry.redistribution == "headline", entry.id


def test_the_environment_overrides_a_key(tmp_path: Path) -> None:
    loaded = config(
        tmp_path,
        {
            "ALLIANCEWATCH_FETCH_ALLOW_ADDRESSES": "127.0.0.1, ::1",
            "ALLIANCEWATCH_FETCH_DEADLINE_S": "8",
            "ALLIANCEWATCH_SMTP_STARTTLS": "false",
            "ALLIANCEWATCH_SMTP_PASSWORD": "canary",
        },
        settings="fetch: {deadline_s: 5, host_interval_s: 1}\n",
    )
    assert loaded.settings.fetch.allow_addresses == ("127.0.0.1", "::1")
    assert loaded.settings.fetch.deadline_s == 8
    assert loaded.settings.fetch.host_interval_s == 1
    assert loaded.settings.smtp.starttls is False
    assert loaded.settings.smtp.password is not None
    assert loaded.settings.smtp.password.get_secret_value() == "canary"
    assert "canary" not in repr(loaded.settings) + repr(loaded)


def test_a_password_in_a_shared_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"settings\.yaml: `smtp\.password` stands in a file") as caught:
        _ = config(tmp_path, settings="smtp: {password: canary}\n").settings
    assert "canary" not in str(caught.value)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from file\n")
    loaded = config(tmp_path, {"ALLIANCEWATCH_SMTP_PASSWORD_FILE": str(tmp_path / "secret")})
    assert loaded.settings.smtp.password is not None
    assert loaded.settings.smtp.password.get_secret_value() == "from file"


def test_the_contact_joins_the_user_agent(tmp_path: Path) -> None:
    loaded = config(tmp_path, settings="fetch: {contact: desk@example.org}\n")
    assert loaded.settings.fetch.user_agent.endswith("(+desk@example.org)")


@pytest.mark.parametrize(
    ("file", "text", "line", "says"),
    [
        ("settings", "fetch:\n  deadline: 8\n", 2, "did you mean `deadline_s`?"),
        ("settings", "fetsh: {}\n", 1, "did you mean `fetch`?"),
        ("settings", "fetch:\n  contact: a\n  deadline_s: soon\n", 3, "`fetch.deadline_s`"),
        ("settings", "fetch:\n  deadline_s: -1\n", 2, "greater than 0"),
        ("settings", "fetch: [1, 2\n", 2, "not valid YAML"),
        ("settings", "? [a, b]\n: c\n", 1, "a key is a plain word"),
        ("settings", "fetch:\n  deadline_s: 2026-13-45\n", 2, "`fetch.deadline_s`"),
        ("settings", "fetch:\n  allow_addresses: [localhost]\n", 2, "does not appear to be an IPv4 or IPv6 address"),
        ("settings", "- a\n", 1, "expected keys and values at the top"),
        ("settings", "fetch: {}\nsmtp: {}\nfetch: {}\n", 3, "stands twice"),
        ("sources", source(feed="[x]"), 10, "did you mean `feeds`?"),
        ("sources", source(zone="Asia/Tokio"), 10, "did you mean `Asia/Tokyo`"),
        ("sources", source(kind="blog"), 4, "`sources[0].kind`"),
        ("sources", source(feeds=None), 2, "names no feed"),
        ("sources", source(enabled=False), 2, "gives no `reason`"),
        ("sources", source(homepage=None), 2, "`sources[0].homepage` is missing"),
    ],
)
def test_a_mistake_names_file_line_and_key(tmp_path: Path, file: str, text: str, line: int, says: str) -> None:
    loaded = config(tmp_path, {}, **{file: text})
    with pytest.raises(ConfigError) as caught:
        _ = loaded.settings if file == "settings" else loaded.sources
    assert f"{file}.yaml:{line}: " in str(caught.value)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_made_to_hurt_is_refused_at_once(tmp_path: Path) -> None:
    billion = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20)
    )
    for text, says in ((billion, "unknown key"), ("a: " + "[" * 5000, "nested too deeply")):
        with pytest.raises(ConfigError, match=says):
            _ = config(tmp_path, {}, settings=text).settings


def test_a_folder_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "config" / "settings.yaml").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        _ = load_config({}, cwd=tmp_path, home=tmp_path).settings


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"ALLIANCEWATCH_FETCH_DEADLINE": "8"}, "did you mean `ALLIANCEWATCH_FETCH_DEADLINE_S`?"),
        ({"ALLIANCEWATCH_FETCH_DEADLINE_S": "soon"}, "`fetch.deadline_s`"),
        ({"ALLIANCEWATCH_SMTP_PASSWORD_FILE": "/no/such/file"}, "cannot be read"),
    ],
)
def test_a_mistake_in_the_environment(tmp_path: Path, environment: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match="environment") as caught:
        _ = config(tmp_path, environment).settings
    assert says in str(caught.value)


def test_only_a_named_config_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no config folder"):
        load_config({}, cwd=tmp_path, folder=tmp_path / "missing")


def test_the_home_is_found(tmp_path: Path) -> None:
    assert load_config({"ALLIANCEWATCH_HOME": str(tmp_path)}, cwd=Path("/")).home == tmp_path


def test_sources_are_chosen_by_id_and_host(tmp_path: Path) -> None:
    catalogue: SourceCatalogue = load_config({}, cwd=tmp_path, home=tmp_path).sources
    assert [found.id for found in catalogue.choose(["sankei", "sankei"])] == ["sankei"]
    with pytest.raises(UsageError, match=r"unknown source.*\n.*`sankei`"):
        catalogue.choose(["sankey"])

    def by_host(url: str) -> str | None:
        found = catalogue.by_host(url)
        return found.id if found else None

    assert by_host("https://www.japantimes.co.jp/news/2026/1/") == "japan-times"
    assert by_host("https://mainichi.jp/english/articles/1") == "mainichi-en"
    assert by_host("https://mainichi.jp/articles/1") == "mainichi"
    assert by_host("https://unknown.example/") is None
    assert by_host("https://notmainichi.jp/") is None
