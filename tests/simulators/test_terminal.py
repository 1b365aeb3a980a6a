"""Commands run in forks as they would from a shell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simulators import terminal as module
from simulators.terminal import TIMED_OUT, terminal

PROGRAM = """
import sys, os, time
import beside
if __name__ == "__main__":
    words = sys.argv[1:]
    if words == ["wrong"]:
        sys.exit("no such verb")
    if words == ["die"]:
        os.kill(os.getpid(), 9)
    if words == ["hang"]:
        time.sleep(60)
    beside.CALLS.append(words)
    print(len(beside.CALLS), *words)
    sys.exit(3 if words == ["three"] else 0)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("CALLS = []\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path / "program.py"


def test_a_command_is_a_process_of_its_own_with_output_and_exit_code(program: Path) -> None:
    run = terminal(program, ["beside"])
    assert run(["a", "b c"]) == (0, "1 a b c\n")
    assert run(["three"]) == (3, "1 three\n"), "nothing of the first command is left"
    assert run(["wrong"]) == (1, "no such verb\n")
    assert run(["die"]) == (-9, "")
    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(lambda n: run([str(n)]), range(8)))
    assert said == [(0, f"1 {n}\n") for n in range(8)]


def test_a_command_that_hangs_is_ended(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 1.0)
    assert terminal(program, [])(["hang"])[0] == TIMED_OUT
