"""The `alliancewatch` command: parses, calls the library, turns an error into a sentence and an exit code.

Exit codes: 0 done, 1 part failed and is listed, 2 bad usage or config, 75 try later. With `--json`, stdout holds only
JSON; everything else goes to stderr. Modules are imported inside the commands that need them, so that `clean` starts
fast and never meets DuckDB or Prefect.
"""

from __future__ import annotations

import os
import sys
import traceback

import typer

from alliancewatch.cli import archive, pages, runs, store, upkeep, web
from alliancewatch.cli.demo import demo
from alliancewatch.cli.doctor import doctor
from alliancewatch.cli.serve import serve
from alliancewatch.cli.sources import sources_app
from alliancewatch.errors import AllianceWatchError

app = typer.Typer(
    name="alliancewatch",
    help="News monitor for the US-Japan alliance: feeds in, clean labelled articles in DuckDB, a weekly digest out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    runs.init,
    demo,
    runs.ingest,
    store.import_pages,
    web.fetch,
    web.feed,
    pages.clean,
    pages.classify,
    runs.digest,
    serve,
    store.sql,
    archive.reclean,
    upkeep.backup,
    upkeep.restore,
    upkeep.maintain,
    doctor,
):
    app.command(name=command.__name__.partition("_")[0])(command)
app.add_typer(archive.archive_app, name="archive")
app.add_typer(sources_app, name="sources")


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
) -> None:
    if version:
        from alliancewatch import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line and leave with its exit code; a traceback is shown only with ALLIANCEWATCH_DEBUG set."""
    try:
        app(prog_name="alliancewatch")
    except AllianceWatchError as error:
        _say(f"error: {error}")
        _debug()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader went away (`| head`): not an error, and Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _say("stopped")
        sys.exit(130)
    except Exception as error:
        _say(f"error: unexpected {type(error).__name__}: {error}")
        _say("hint: this is a mistake of ours; run again with ALLIANCEWATCH_DEBUG=1 for the trace and report it")
        _debug()
        sys.exit(1)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _debug() -> None:
    if os.environ.get("ALLIANCEWATCH_DEBUG"):
        traceback.print_exc()
