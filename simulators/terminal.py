"""A terminal at which played people give their commands.

Starting Python and importing a program takes longer than most of its commands. So the program's
modules are loaded once, in a fork server, and every command runs in a fork of its own: with the
same main, arguments, output and exit code as from a shell.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

Run = Callable[[Sequence[str]], tuple[int, str]]

CALL_SECONDS = 60.0
TIMED_OUT = 124  # as timeout(1) says it


def terminal(program: Path, preload: Sequence[str]) -> Run:
    """A function that gives a command to a Python program.

    Args:
        program: the file that is run as ``__main__``; its folder is first on the module path.
        preload: names of modules that every command needs.

    Returns:
        A function of a command's arguments: its exit code, and what it said on standard
        output, or else on standard error. It may be called from several threads.
    """
    processes = multiprocessing.get_context("forkserver")
    sys.path.insert(0, str(program.parent))  # the fork server's path is ours
    processes.set_forkserver_preload(list(preload))

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as name:
            said = [Path(name) / "output", Path(name) / "errors"]
            ended = Path(name) / "code"
            process = processes.Process(target=_be, args=(program, list(arguments), said, ended))
            process.start()
            process.join(CALL_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
                return TIMED_OUT, f"no answer within {CALL_SECONDS:.0f} s"
            texts = [path.read_text(errors="replace") for path in said if path.exists()]
            return _code(ended, process.exitcode), next((text for text in texts if text), "")

    return run


def _code(ended: Path, otherwise: int | None) -> int:
    """The exit code that a command has left behind; ``otherwise`` where it was killed.

    What multiprocessing says of one that was not cannot be trusted here: starting a process looks
    after all others, so two threads may read one's code at once, and the second one finds none.
    """
    text = ended.read_text() if ended.exists() else ""
    return int(text or otherwise or 1)


def _be(program: Path, arguments: list[str], said: list[Path], ended: Path) -> None:
    """Become the program, in a process that was forked for it."""
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    sys.argv = [str(program), *arguments]
    code = 1
    try:
        runpy.run_path(str(program), run_name="__main__")
        code = 0
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
        raise
    finally:
        ended.write_text(str(code))
