"""Every template has a page, and what the page says of params and decisions is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from activities.settings import ROOT
from policies import TEMPLATES, decide, explain, read_policy, sample
from policies.language import Param

PAGES = ROOT / "docs" / "templates"
NAMES = sorted(path.stem for path in TEMPLATES.glob("*.yaml"))
SECTIONS = ["What it does", "When to use it", "When not", "Params", "A decision", "What to watch"]


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def row(name: str, param: Param) -> str:
    if param.type == "int":
        bounds, default = f"{param.min:,} to {param.max:,}", f"{param.default:,}"
    else:
        bounds = ", ".join(param.options) or "any text"
        default = str(param.default)
    return f"| `{name}` | {param.unit} | {bounds} | {default} | {param.description} |"


def test_every_template_has_a_page_and_every_page_a_template() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_answers_a_person_s_questions_in_their_order(name: str) -> None:
    assert re.findall(r"^## (.*)$", page(name), flags=re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("name", NAMES)
def test_the_params_of_a_page_are_the_document_s(name: str) -> None:
    params = read_policy(TEMPLATES / f"{name}.yaml").document.params
    told = [line for line in page(name).splitlines() if line.startswith("| `")]
    assert told == [row(param, declared) for param, declared in params.items()]


@pytest.mark.parametrize("name", NAMES)
def test_the_decision_of_a_page_is_what_is_decided(name: str) -> None:
    policy = read_policy(TEMPLATES / f"{name}.yaml")
    (given,) = re.findall(r"```yaml\n(.*?)```", page(name), flags=re.DOTALL)
    (told,) = re.findall(r"```text\n(.*?)\n```", page(name), flags=re.DOTALL)
    snapshot = sample(policy.document.point, yaml.safe_load(given))
    assert told == "\n".join(explain(decide([policy], snapshot)))


@pytest.mark.parametrize("path", [*PAGES.glob("*.md"), ROOT / "docs" / "policy-guide.md"])
def test_links_of_the_policy_pages_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
