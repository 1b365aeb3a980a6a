"""Single mistakes, seeded into good documents, are refused at load with their line and name.

Each is what a person might really write: a slip, another language's word, a figure in the wrong
unit, a test that shows nothing. mistakes.yaml lists them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from domain.base import InvalidInput, Problem
from policies import TEMPLATES, load_policy

LISTED = Path(__file__).parent / "mistakes.yaml"
MISTAKES: dict[str, dict[str, str]] = {
    each["mistake"]: each for each in yaml.safe_load(LISTED.read_text(encoding="utf-8"))
}


def points_at(problem: Problem, lines: list[str]) -> str:
    """The line that a problem points at."""
    place = re.fullmatch(r"doc\.yaml:(\d+):(\d+)", problem.source)
    assert place, str(problem)
    line = lines[int(place[1]) - 1]
    assert 1 <= int(place[2]) <= len(line) + 1
    return line


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_seeded_mistake_is_refused_with_its_line_and_name(mistake: dict[str, str]) -> None:
    good = (TEMPLATES / f"{mistake['in']}.yaml").read_text(encoding="utf-8")
    assert mistake["old"] in good
    text = good.replace(mistake["old"], mistake["new"], 1)
    with pytest.raises(InvalidInput) as refused:
        load_policy(text, "doc.yaml")
    wanted = mistake.get("line") or mistake["new"].splitlines()[0].strip()
    lines = text.splitlines()
    told = {str(p): points_at(p, lines) for p in refused.value.problems}
    assert any(
        wanted in line and mistake["says"] in said and mistake["names"] in said
        for said, line in told.items()
    ), told


def test_the_mistakes_are_many_and_each_is_another_one() -> None:
    listed = yaml.safe_load(LISTED.read_text(encoding="utf-8"))
    assert len(listed) == len(MISTAKES) == len({(m["in"], m["new"]) for m in listed}) >= 140
