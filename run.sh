#!/bin/sh
# The project's chores, one function each: `./run.sh demo`, `./run.sh test`. Needs Python 3.11 or newer and nothing else.
set -eu
cd "$(dirname "$0")"

# A virtual environment in .venv with exactly the locked versions, checked by hash, and the checkout itself.
# Done again only when the lock or pyproject.toml changed.
setup() {
    stamp=.venv/.installed
    want=$(cat requirements.lock pyproject.toml | cksum)
    if [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then return; fi
    python=${PYTHON:-$(command -v python3 || command -v python)}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "AllianceWatch needs Python 3.11 or newer; $python is older (name another: PYTHON=python3.12 ./run.sh ...)" >&2
        exit 2
    }
    echo "setting up .venv (about a minute) ..." >&2
    "$python" -m venv .venv
    .venv/bin/python -m pip install -qq --no-deps --require-hashes -r requirements.lock
    .venv/bin/python -m pip install -qq --no-deps --no-build-isolation -e .
    echo "$want" >"$stamp"
}

# The whole job, offline: bundled newsstand, ingest flow, digest flow. The rest of the line goes to the command.
demo() {
    .venv/bin/alliancewatch demo "$@"
}

lint() {
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
}

# What CI runs: lint, types, tests.
test() {
    lint
    .venv/bin/pytest "$@"
}

# A wheel in dist/, from what is checked out.
wheel() {
    .venv/bin/python -m hatchling build -t wheel
}

# Resolve the versions again; the lock names no index and holds hashes.
lock() {
    .venv/bin/python -m pip install -q uv
    .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --no-strip-extras --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock
}

case "${1:-}" in
    setup) setup ;;
    demo | lint | test | wheel | lock)
        setup
        "$@"
        ;;
    *)
        echo "usage: ./run.sh setup | demo [--keep DIR] | test [PYTEST ARGS] | lint | wheel | lock" >&2
        exit 2
        ;;
esac
