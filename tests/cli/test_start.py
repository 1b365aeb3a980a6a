"""A verb imports what it needs and no more: its start is most of what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from typer.testing import CliRunner

from activities.settings import ROOT
from cli.app import GROUPS, TOP, app
from workflows.plugin import meshline_plugin

VERBS: dict[tuple[str, ...], tuple[str, str]] = {(name,): verb for name, verb in TOP.items()}
for group, (verbs, _) in GROUPS.items():
    VERBS |= {(*group.split(), name): verb for name, verb in verbs.items()}
OURS = {
    "policies", "connectors", "sourcing", "simulators", "workflows", "gateway",
    "activities.context", "activities.logs", "cli.importing", "cli.demo",
}  # fmt: skip
READER = OURS | {"temporalio"}
TELL_MODULES = """
import json, sys
from cli.app import app
try:
    app(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def imported(home: Path, *arguments: str) -> set[str]:
    """The modules that a run of the command line has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", TELL_MODULES, *arguments],
        cwd=ROOT, env=os.environ | {"MESHLINE_HOME": str(home)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--help"], READER | {"sqlalchemy", "store", "domain"}),
        (["exception", "--help"], READER | {"sqlalchemy", "store", "domain"}),
        (["exception", "list", "--json"], READER),
        (["hold", "list", "--json"], READER),
        (["order", "list", "--json"], READER),
        (["order", "show", "--help"], READER),
        (["exception", "approve", "--help"], OURS),
        (["order", "cancel", "--help"], OURS),
    ],
)
def test_a_verb_imports_only_what_it_needs(
    tmp_path: Path, arguments: list[str], forbidden: set[str]
) -> None:
    found = imported(tmp_path, *arguments)
    assert "cli.app" in found
    assert forbidden & found == set()


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_the_list_of_verbs_says_what_each_verb_says_first(path: tuple[str, ...]) -> None:
    target, summary = VERBS[path]
    module, attribute = target.split(":")
    said = getdoc(getattr(import_module(module), attribute)) or ""
    assert said.splitlines()[0] == summary


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_has_a_help_text(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0
    assert VERBS[path][1][:30] in done.output


def test_a_client_converts_as_workers_do() -> None:
    assert meshline_plugin().data_converter is pydantic_data_converter
