"""Everything a person may set, read once: `config/` of the home, packaged defaults, the environment.

A home need not hold any config: what it lacks comes from the defaults that ship with the program. Only a config
folder named with `--config` must exist. `ALLIANCEWATCH_<SECTION>_<KEY>` overrides a key of `settings.yaml`
(`ALLIANCEWATCH_FETCH_DEADLINE_S=8`); lists are comma-separated. Secrets have no place in a file that is shared:
they come from the environment, or from a file that `<KEY>_FILE` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from alliancewatch._version import __version__
from alliancewatch.config_file import nearest, read_config, validate_value
from alliancewatch.errors import ConfigError
from alliancewatch.resources import checkout_root, resource
from alliancewatch.sources import SourceCatalogue, ZoneName

M = TypeVar("M", bound=BaseModel)

CONFIG_FILES = ("settings.yaml", "sources.yaml", "topics.yaml", "boilerplate.yaml", "digest.yaml")
"""The files of `config/`, each with a packaged default."""


PREFECT_RUNS_KEPT_S = 30 * 24 * 3600
"""A server that we start forgets older flow runs with their logs; the warehouse has our own record of every run."""

IMPLICIT_TLS_PORT = 465
"""`submissions` in the registry of ports (RFC 8314, 7.3)."""


def _parts(value: object) -> object:
    """A list as the environment holds it, comma-separated, as a tuple; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FetchSettings(_Section):
    """How the fetch door behaves."""

    contact: str = ""
    """Mail or web address a site's operator can write to; part of the User-Agent."""
    user_agent: str = f"AllianceWatch/{__version__}"
    deadline_s: float = Field(30.0, gt=0, le=600)
    connect_timeout_s: float = Field(10.0, gt=0, le=120)
    page_max_bytes: int = Field(5 * 1024 * 1024, ge=1024)
    feed_max_bytes: int = Field(10 * 1024 * 1024, ge=1024)
    robots_max_bytes: int = Field(512 * 1024, ge=1024)
    max_redirects: int = Field(10, ge=0, le=50)
    url_max_chars: int = Field(2048, ge=64)
    allow_addresses: tuple[str, ...] = ()
    """IP addresses that may be contacted although they are private."""
    respect_robots: bool = True
    host_interval_s: float = Field(5.0, ge=0)
    """Least time between two requests to one host."""

    @field_validator("allow_addresses", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return _parts(value)

    @field_validator("allow_addresses")
    @classmethod
    def _are_ip_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            ip_address(address)
        return value

    @model_validator(mode="before")
    @classmethod
    def _contact_joins_the_agent(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("contact") and "user_agent" not in data:
            return {**data, "user_agent": f"AllianceWatch/{__version__} (+{data['contact']})"}
        return data


class IngestSettings(_Section):
    """How much one ingest run takes on."""

    max_pages_per_source: int = Field(60, ge=1)
    refetch_after_h: float = Field(24.0, ge=0)
    """A known article is fetched again for edits when its last fetch is older than this ..."""
    refetch_days: float = Field(7.0, ge=0)
    """... and it was first seen at most this many days ago."""
    workers: int = Field(8, ge=1, le=64)
    """Hosts fetched from at the same time."""
    batch_size: int = Field(50, ge=1)
    """Articles in one write transaction."""


class WarehouseSettings(_Section):
    """How the DuckDB file is used."""

    wait_s: float = Field(30.0, ge=0)
    """How long to wait for another process that holds the file."""
    check_clock: bool = True
    """Whether a run whose clock lies days behind the last recorded row is refused."""
    sql_timeout_s: float = Field(60.0, gt=0)
    sql_memory_limit: str = "1GB"


class SmtpSettings(_Section):
    """The mail server; unset means digests are files only."""

    host: str | None = None
    port: int = Field(587, ge=1, le=65535)
    timeout_s: float = Field(30.0, gt=0)
    user: str | None = None
    password: SecretStr | None = None
    starttls: bool = True
    implicit_tls: bool | None = None
    """TLS from the first byte in place of STARTTLS (RFC 8314, 3.3); unset, on port 465 alone."""

    @property
    def begins_with_tls(self) -> bool:
        """Whether the connection is encrypted before anything is said."""
        return self.port == IMPLICIT_TLS_PORT if self.implicit_tls is None else self.implicit_tls


class ScheduleSettings(_Section):
    """When `serve` runs the flows: cron lines in `zone`."""

    zone: ZoneName = "Asia/Tokyo"
    ingest: str = "7 * * * *"
    digest: str = "0 7 * * 1"
    maintenance: str = "30 3 * * *"

    @field_validator("ingest", "digest", "maintenance")
    @classmethod
    def _is_cron_line(cls, value: str) -> str:
        try:
            CronSim(value, datetime(2026, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ValueError(f"not a cron line ({error}): expected five fields such as `7 * * * *`") from None
        return value


class MaintenanceSettings(_Section):
    """What the nightly run keeps, and for how long."""

    backup_folder: Path = Path("backups")
    """Relative to the home."""
    backups: int = Field(7, ge=0)
    """How many are kept; with 0 none is made."""
    drill_days: int = Field(7, ge=1)
    """The newest backup is restored on trial when the last trial is this old."""
    archive_days: int | None = Field(None, ge=1)
    """WARC files in which nothing is younger are removed; None keeps all."""


class AlertSettings(_Section):
    """Whom to tell by mail, over the server of `smtp`, that a run failed or sources fell silent; nobody when empty."""

    recipients: tuple[str, ...] = ()
    repeat_h: float = Field(24.0, ge=1)
    """The same failure is not told again before this."""

    @field_validator("recipients", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return _parts(value)

    @field_validator("recipients")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from alliancewatch.digest import mail_address  # its templates are of no use to most commands

        return tuple(dict.fromkeys(mail_address(address) for address in value))


class Settings(_Section):
    """All of `settings.yaml`."""

    fetch: FetchSettings = FetchSettings()
    ingest: IngestSettings = IngestSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    smtp: SmtpSettings = SmtpSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    alerts: AlertSettings = AlertSettings()


@dataclass(frozen=True)
class Config:
    """The home and everything set for it. Files are read when first asked for, and once."""

    home: Path
    folder: Path | None
    """The folder named with `--config`; None means `home/config` where it exists."""
    environment: Mapping[str, str] = field(repr=False)
    """Holds secrets."""

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file that flows write."""
        return self.home / "warehouse" / "alliancewatch.duckdb"

    @property
    def snapshot_path(self) -> Path:
        """The read-only copy that everybody reads."""
        return self.home / "warehouse" / "snapshot.duckdb"

    @property
    def archive_path(self) -> Path:
        """Folder of the raw pages, as WARC files."""
        return self.home / "archive"

    @property
    def digests_path(self) -> Path:
        """Folder with one folder a week."""
        return self.home / "digests"

    @property
    def backups_path(self) -> Path:
        """Folder with one folder a backup."""
        return self.home / self.settings.maintenance.backup_folder

    @property
    def prefect_home(self) -> Path:
        """Where Prefect keeps its state."""
        return self.home / ".prefect"

    def path_of(self, name: str) -> Path:
        """The file `name` is read from: the config folder's, else the packaged default."""
        own = (self.folder or self.home / "config") / name
        return own if own.exists() or own.is_symlink() else resource("config", name)

    def read(self, name: str, model: type[M]) -> M:
        """The config file `name` as `model`. Raises `ConfigError`."""
        return read_config(self.path_of(name), model)

    @cached_property
    def settings(self) -> Settings:
        """`settings.yaml` with the environment's overrides."""
        path = self.path_of("settings.yaml")
        settings = read_config(path, Settings)
        if settings.smtp.password is not None:  # each run records the text of its config files
            raise ConfigError(
                "`smtp.password` stands in a file that is shared",
                path=path,
                hint="take it out; set ALLIANCEWATCH_SMTP_PASSWORD, or _PASSWORD_FILE to a file that holds it",
            )
        overrides = _environment_overrides(self.environment)
        if not overrides:
            return settings
        sections = {
            name: {**getattr(settings, name).model_dump(exclude_unset=True), **values}
            for name, values in overrides.items()
        }
        return validate_value({**settings.model_dump(exclude_unset=True), **sections}, Settings, path="environment")

    @cached_property
    def sources(self) -> SourceCatalogue:
        """`sources.yaml`."""
        return self.read("sources.yaml", SourceCatalogue)

    @cached_property
    def contents(self) -> dict[str, str]:
        """Text of each config file by name, as the run stores it. Holds no secret."""
        return {name: self.path_of(name).read_text("utf-8") for name in CONFIG_FILES}

    @property
    def content_sha256(self) -> str:
        """Hex digest over all config files."""
        joined = "\0".join(f"{name}\0{text}" for name, text in sorted(self.contents.items()))
        return sha256(joined.encode()).hexdigest()


def load_config(
    environment: Mapping[str, str], *, cwd: Path, folder: Path | None = None, home: Path | None = None
) -> Config:
    """The configuration of one run.

    The home is `home`, else `ALLIANCEWATCH_HOME`, else the checkout the program runs from, else `cwd`. Raises
    `ConfigError` when `folder` is named and is not there.
    """
    if home is None:
        stated = environment.get("ALLIANCEWATCH_HOME")
        home = Path(stated).expanduser() if stated else (checkout_root() or cwd)
    if folder is not None and not folder.is_dir():
        found = "a file" if folder.exists() else "nothing there"
        raise ConfigError(
            f"no config folder: found {found}, expected a folder with settings.yaml and others", path=folder
        )
    return Config(home=home.absolute(), folder=folder, environment=dict(environment))


def prefect_environment(prefect_home: Path) -> dict[str, str]:
    """Environment under which Prefect keeps to `prefect_home`, needs no server or account and reports nothing.

    To be set before Prefect is imported. The start-up time-out is raised from 20 s, which a first run with its
    database migrations can exceed on a small machine.
    """
    return {
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(PREFECT_RUNS_KEPT_S),
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }


def _environment_overrides(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    overrides: dict[str, dict[str, str]] = {}
    for section, model in ((name, info.annotation) for name, info in Settings.model_fields.items()):
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        prefix = f"ALLIANCEWATCH_{section.upper()}_"
        for variable, value in environment.items():
            if not variable.startswith(prefix):
                continue
            key = variable.removeprefix(prefix).lower()
            if key.endswith("_file") and key.removesuffix("_file") in model.model_fields:
                key, value = key.removesuffix("_file"), _read_secret(variable, value)
            if key not in model.model_fields:
                known = [prefix + name.upper() for name in model.model_fields]
                suggestion = nearest(variable, known)
                raise ConfigError(
                    f"unknown setting `{variable}`",
                    path="environment",
                    hint=f"did you mean `{suggestion}`?" if suggestion else f"known: {', '.join(known)}",
                )
            overrides.setdefault(section, {})[key] = value
    return overrides


def _read_secret(variable: str, value: str) -> str:
    try:
        return Path(value).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"`{variable}`: file cannot be read: {error}", path="environment") from None
