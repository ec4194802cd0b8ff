"""Imports run one way, and each door to the outside is one module. Read from the source, so no import can hide."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "alliancewatch"

PURE = ("extract", "boilerplate", "classify", "digest", "sanitize", "week", "urls", "dates", "robots", "discover")
DOORS = {
    "requests": {"fetch"},
    "urllib3": {"fetch"},
    "socket": {"fetch", "newsstand"},
    "http.server": {"newsstand"},
    "duckdb": {"warehouse"},
    "smtplib": {"deliver"},
}
CLOCK_CALLS = {"now", "utcnow", "today", "time", "time_ns"}


def modules() -> dict[str, list[Path]]:
    """Top-level module of the package → its files."""
    found: dict[str, list[Path]] = {}
    for path in PACKAGE.rglob("*.py"):
        top = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        found.setdefault(top, []).append(path)
    return found


def imports_of(path: Path, *, only_at_run_time: bool = True) -> set[str]:
    names: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if only_at_run_time and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        pending.extend(ast.iter_child_nodes(node))
    return names


def ours(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("alliancewatch.")}


def test_model_and_errors_import_nothing_of_ours() -> None:
    for name in ("model", "errors"):
        assert not ours(imports_of(PACKAGE / f"{name}.py"))


def test_each_door_is_one_module() -> None:
    for top, files in modules().items():
        for path in files:
            for name in imports_of(path):
                for library, allowed in DOORS.items():
                    if name == library or name.startswith(library + "."):
                        assert top in allowed, f"{path} imports {name}"


def test_the_library_never_imports_prefect_or_flows() -> None:
    for top, files in modules().items():
        for path in files:
            tree = ast.parse(path.read_text("utf-8"))
            # A command may, in the function that needs it.
            nodes = tree.body if top == "cli" else list(ast.walk(tree))
            named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
            named += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
            assert not any(name.split(".")[0] in ("prefect", "flows") for name in named), f"{top}: {path}"


@pytest.mark.parametrize("top", PURE)
def test_pure_modules_know_no_clock_and_no_door(top: str) -> None:
    files = modules()[top]
    for path in files:
        assert not ours(imports_of(path)) & {"fetch", "warehouse", "deliver", "runs", "cli", "ingest"}, path
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS:
                owner = ast.unparse(node.func.value).split(".")[-1]
                assert owner not in ("datetime", "date", "time"), f"{path}:{node.lineno} asks the clock"


def test_no_module_imports_one_that_imports_it() -> None:
    graph = {
        top: {name for path in files for name in ours(imports_of(path))} & set(modules()) - {top}
        for top, files in modules().items()
    }
    done: set[str] = set()
    while len(done) < len(graph):
        free = {top for top, needed in graph.items() if top not in done and needed <= done}
        assert free, f"a circle among {sorted(set(graph) - done)}"
        done |= free


def test_sql_stands_only_in_files() -> None:
    verbs = ("select ", "insert ", "create table", "create view", "delete ", "update ")
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.lower().lstrip().startswith(verbs) or " from " not in node.value.lower(), (
                    f"{path}:{node.lineno}: SQL belongs in warehouse/"
                )


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        (
            "from alliancewatch import extract_text; extract_text(b'<p>x</p>')",
            {"duckdb", "prefect", "sklearn", "requests"},
        ),
        ("import alliancewatch.cli", {"duckdb", "prefect"}),
        ("import alliancewatch.runs", {"prefect"}),
    ],
)
def test_light_imports_stay_light(statement: str, unwanted: set[str]) -> None:
    program = f"import sys; {statement}; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    )
    assert not loaded & unwanted
