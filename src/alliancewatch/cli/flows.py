"""The one place that imports flows, and with them Prefect."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from alliancewatch.cli.shared import say
from alliancewatch.errors import FlowError
from alliancewatch.flow_setup import configure
from alliancewatch.resources import resource


def load_flow(name: str, home: Path) -> ModuleType:
    """The flow file `flows/<name>.py` as a module, with Prefect's state in `home`. Takes some seconds."""
    path = resource("flows", f"{name}.py")
    module_name = f"alliancewatch_flow_{name}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    configure(str(home))
    if sys.stderr.isatty():
        say("starting Prefect ...")
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FlowError(f"flow file is missing: `{path}`", hint="install AllianceWatch again")
    module = importlib.util.module_from_spec(spec)
    # Prefect looks a flow's module up by name, to resolve the types of its parameters.
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module
