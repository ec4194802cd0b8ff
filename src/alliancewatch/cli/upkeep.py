"""`backup`, `restore` and `maintain`: that nothing is lost with the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliancewatch.cli.shared import ConfigOption, JsonOption, load, now, one_line, print_json, say
from alliancewatch.errors import UsageError

if TYPE_CHECKING:
    from alliancewatch.settings import Config


def backup(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where backups lie; default: `maintenance.backup_folder`.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Copy warehouse, archive and config files into a new folder of DIR, opened and counted before it counts.

    Example: alliancewatch backup /mnt/usb/alliancewatch
    """
    from alliancewatch.backup import make_backup

    loaded = load(config)
    made, manifest = make_backup(loaded, folder or loaded.backups_path, now=now())
    rows = sum(manifest.row_counts.values())
    if as_json:
        print_json(
            {"backup": str(made), "files": len(manifest.files), "bytes": manifest.byte_count, "rows": rows}
            | {"failed_checks": manifest.failed_checks}
        )
    else:
        typer.echo(made)
    say(f"{len(manifest.files)} files, {manifest.byte_count:,} bytes, {rows:,} rows")
    if manifest.failed_checks:
        say(f"checks of the warehouse failed, in the copy as in the home: {', '.join(manifest.failed_checks)}")
        raise typer.Exit(1)


def restore(
    backup: Annotated[str, typer.Argument(help="Folder of one backup, or `latest`.")],
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="The home to fill; default: the present one.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move aside what the home holds, instead of refusing.")
    ] = False,
    drill: Annotated[
        bool,
        typer.Option("--drill", help="Only try: restore beside the backup, build a digest there, compare, remove."),
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Put a backup back, after reading and verifying all of it. What was there is never deleted.

    Example: alliancewatch restore latest --into /srv/alliancewatch-restored
    """
    from alliancewatch.backup import restore_backup

    loaded = load(config)
    path = _chosen(loaded, backup)
    if drill:
        if into or replace:
            raise UsageError("`--drill` leaves no home behind: found `--into` or `--replace` with it")
        _try_restore(loaded, path, as_json=as_json)
        return
    done = restore_backup(path, (into or loaded.home).absolute(), now=now(), replace=replace)
    if as_json:
        print_json(
            {
                "home": str(done.home),
                "replaced": str(done.replaced) if done.replaced else None,
                "deliveries_carried": done.deliveries_carried,
                "is_ledger_complete": done.is_ledger_complete,
            }
        )
    else:
        typer.echo(done.home)
    if done.replaced:
        say(f"what was there is in {done.replaced}; pages fetched since come back with:")
        say(f"  ALLIANCEWATCH_HOME={done.home} alliancewatch import {done.replaced / 'archive'}")
    if not done.is_ledger_complete:
        say(f"mail sent since {path.name} is not known here: before `digest --send`, see whom it would reach twice")


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is due; change nothing.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Do the nightly upkeep once: checkpoint, checks, backup and its trial, retention, leftovers.

    Example: alliancewatch maintain --dry-run
    """
    from alliancewatch.alerts import told
    from alliancewatch.maintenance import Step, require_maintained
    from alliancewatch.maintenance import maintain as steps_of

    loaded = load(config)
    with told(loaded, "maintenance", now):
        steps: list[Step] = []
        for step in steps_of(loaded, now=now(), dry_run=dry_run):
            steps.append(step)
            if as_json:
                print_json(step)
            else:
                typer.echo(one_line(f"{step.state:7}  {step.name}: {step.detail}"))
        require_maintained(steps)


def _chosen(loaded: Config, backup: str) -> Path:
    from alliancewatch.backup import backups_in

    if backup != "latest":
        return Path(backup)
    found = backups_in(loaded.backups_path)
    if not found:
        raise UsageError(f"no backup: `{loaded.backups_path}`: it holds none", hint="name its folder")
    return found[-1]


def _try_restore(loaded: Config, path: Path, *, as_json: bool) -> None:
    from alliancewatch.backup import drill

    done = drill(loaded, path, now=now())
    if as_json:
        print_json(done)
    else:
        compared = "comes out as from the home" if done.is_same_digest else "was built; the home's cannot be compared"
        typer.echo(f"{done.backup}: whole, {done.row_count:,} rows; the digest of {done.week} {compared}")
