"""`python -m alliancewatch.newsstand`: serves the outlets by hand, to be looked at in a browser."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import datetime

from alliancewatch.errors import UsageError
from alliancewatch.newsstand.server import Newsstand, fixed_ports


def main() -> int:
    """Serves until interrupted; exit code 2 when the ports cannot be had or the instant cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m alliancewatch.newsstand", description=__doc__)
    parser.add_argument("--at", type=_instant, default="2026-11-15T23:00:00+09:00", help="instant to show, with offset")
    parser.add_argument("--port", type=int, default=8800, help="port of the first outlet; the others follow")
    options = parser.parse_args()
    # A shell starts what it runs in the background with SIGINT ignored; and a service manager sends SIGTERM.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with Newsstand(options.at, ports=fixed_ports(options.port)) as newsstand:
            for outlet_id, address in newsstand.addresses.items():
                sys.stdout.write(f"{address}/  {newsstand.world.outlet(outlet_id).name}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        pass
    return 0


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError("needs an offset, such as 2026-11-08T12:00:00+09:00")
    return instant


if __name__ == "__main__":
    sys.exit(main())
