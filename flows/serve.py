"""The schedules: one long-lived process that runs the flows when `config/settings.yaml` says so.

    alliancewatch serve          starts a Prefect server too, unless PREFECT_API_URL names one
    python flows/serve.py        the same for a server that runs already

Each flow is a deployment that can also be triggered by hand, with parameters that Prefect checks first:

    prefect deployment run ingest/scheduled --param 'sources=["sankei"]'
    prefect deployment run weekly-digest/scheduled --param week=2026-W46

A flow that is still running when its next time comes is not started again, and a missed time is not made up for: the
next ingest run finds whatever is still in the feeds.
"""

import sys
import time
from pathlib import Path
from typing import Any

from alliancewatch.errors import FlowError
from alliancewatch.flow_setup import configure, hush_own_errors, one_line_errors

with one_line_errors():
    config = configure()

from prefect import Flow, get_client, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron

sys.path.insert(0, str(Path(__file__).parent))

from ingest import ingest
from weekly_digest import weekly_digest

SERVER_WAIT_S = 180
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


def main() -> None:
    """Serve both flows until SIGTERM or Ctrl-C, once the server answers."""
    _wait_for_server()
    schedule = config.settings.schedule
    serve(
        _scheduled(ingest, schedule.ingest),
        _scheduled(weekly_digest, schedule.digest),
        print_starting_message=False,
    )


def _scheduled(flow: Flow[..., Any], cron: str) -> RunnerDeployment:
    deployment = flow.to_deployment(
        "scheduled",
        schedule=Cron(cron, timezone=config.settings.schedule.zone),
        parameters={"home": str(config.home)},
        concurrency_limit=ONE_AT_A_TIME,
    )
    assert isinstance(deployment, RunnerDeployment)  # an awaitable only inside a running event loop
    return deployment


def _wait_for_server() -> None:
    deadline = time.monotonic() + SERVER_WAIT_S
    with get_client(sync_client=True) as client:
        while (problem := client.api_healthcheck()) is not None:
            if time.monotonic() > deadline:
                raise FlowError(f"no Prefect server: `{client.api_url}`: {problem}")
            time.sleep(0.5)


hush_own_errors()

if __name__ == "__main__":
    with one_line_errors():
        main()
