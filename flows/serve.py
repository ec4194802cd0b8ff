"""The schedules: one long-lived process that runs the flows when `config/settings.yaml` says so.

    alliancewatch serve          starts a Prefect server too, unless PREFECT_API_URL names one
    python flows/serve.py [DIR]  the same for a server that runs already; DIR holds config files

Each flow is a deployment that can also be triggered by hand, with parameters that Prefect checks first:

    prefect deployment run ingest/scheduled --param 'sources=["sankei"]'
    prefect deployment run weekly-digest/scheduled --param week=2026-W46
    prefect deployment run maintenance/scheduled

Only one run of a flow works at a time: a lease of the home decides, not Prefect, whose own limits a killed run can hold
for ever. What was missed while nothing was served is made up for by one run at the start.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from alliancewatch.errors import FlowError
from alliancewatch.flow_setup import CATCH_UP, configure, hush_own_errors, one_line_errors

CONFIG_FOLDER = sys.argv[1] if len(sys.argv) > 1 else None

with one_line_errors():
    config = configure(config=CONFIG_FOLDER)

from prefect import Flow, get_client, serve
from prefect.deployments import run_deployment
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron

from alliancewatch.schedules import digest_is_missed, ingest_is_missed

sys.path.insert(0, str(Path(__file__).parent))

from ingest import ingest
from maintenance import maintenance
from weekly_digest import weekly_digest

SERVER_WAIT_S = 180
PROCESSES = 4
"""Runs at a time: one of each flow, and one that is told that another is in its way."""


def main() -> None:
    """Serve the flows until SIGTERM or Ctrl-C, once the server answers."""
    _wait_for_server()
    schedule = config.settings.schedule
    ingesting, digesting = _scheduled(ingest, schedule.ingest), _scheduled(weekly_digest, schedule.digest)
    for deployment, is_missed in ((ingesting, ingest_is_missed), (digesting, digest_is_missed)):
        deployment_id = deployment.apply()
        assert isinstance(deployment_id, UUID)  # an awaitable only inside a running event loop
        if is_missed(config, datetime.now(UTC)):
            print(f"{deployment.flow_name} was missed: one run makes up for it", file=sys.stderr)
            run_deployment(deployment_id, timeout=0, tags=[CATCH_UP])
    maintaining = _scheduled(maintenance, schedule.maintenance)
    serve(ingesting, digesting, maintaining, limit=PROCESSES, print_starting_message=False)


def _scheduled(flow: Flow[..., Any], cron: str) -> RunnerDeployment:
    folder = {"config": str(Path(CONFIG_FOLDER).absolute())} if CONFIG_FOLDER else {}
    deployment = flow.to_deployment(
        "scheduled",
        schedule=Cron(cron, timezone=config.settings.schedule.zone),
        parameters={"home": str(config.home), **folder},
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
