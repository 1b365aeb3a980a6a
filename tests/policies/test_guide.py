"""The guide names what there is, and its example loads."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from policies import TEMPLATES, load_policy
from policies.expressions import ENGINE
from policies.points import POINTS

GUIDE = (Path(__file__).parents[2] / "docs" / "policy-guide.md").read_text(encoding="utf-8")


def test_the_example_of_the_guide_loads() -> None:
    (example, *_) = re.findall(r"```yaml\n(policy: .*?)```", GUIDE, flags=re.DOTALL)
    assert load_policy(example, "limits.yaml").params["delta_minor"] == 1_500


def test_every_template_is_described() -> None:
    for path in TEMPLATES.glob("*.yaml"):
        assert f"| [{path.stem}](templates/{path.stem}.md) |" in GUIDE


@pytest.mark.parametrize("point", POINTS)
def test_every_scope_verb_and_fact_is_described(point: str) -> None:
    spec = POINTS[point]  # type: ignore[index]
    for verb in spec.verbs:
        assert f"`{verb}`" in GUIDE, verb
    for scope, spaces in spec.spaces.items():
        assert re.search(rf"\b{scope}\b", GUIDE)
        for space, catalogue in spaces.items():
            assert f"| `{space}`" in GUIDE
            assert [name for name in catalogue if f"`{name}`" not in GUIDE] == []


def test_the_engine_that_decisions_name_is_the_one_installed() -> None:
    assert ENGINE.split()[0] == f"cel-expr-python/{version('cel-expr-python')}"
