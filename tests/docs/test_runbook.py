"""The operating guide keeps up with the policies and the verbs."""

from __future__ import annotations

import re

from activities.settings import ROOT

GUIDE = (ROOT / "docs" / "operating-guide.md").read_text()


def test_every_kind_of_exception_has_a_runbook_entry() -> None:
    policy = (ROOT / "policies" / "templates" / "exception_windows.yaml").read_text()
    kinds = set(re.findall(r"case\.kind == '(\w+)'", policy))
    code = "".join(p.read_text() for p in (ROOT / "workflows").glob("*.py"))
    opened = set(re.findall(r'(?:told|ask|open)\(\s*"(\w+)"', code))
    assert opened <= kinds, "the policy has a rule for whatever is opened"
    described = set(re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE))
    assert kinds == described


def test_every_rule_is_of_a_kind_that_is_opened() -> None:
    floors = ("workflows", "activities")
    code = "".join(p.read_text() for floor in floors for p in (ROOT / floor).glob("*.py"))
    policy = (ROOT / "policies" / "templates" / "exception_windows.yaml").read_text()
    kinds = set(re.findall(r"case\.kind == '(\w+)'", policy))
    for kind in kinds:
        assert f'"{kind}"' in code, f"{kind}: nothing opens it"


def test_links_in_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
