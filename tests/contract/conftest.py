"""One simulator a vendor, clock and module; secrets in the environment while they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import vendors


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vendors.Start]:
    """start("tryton", rate, "--warehouse", "EAST"): a running simulator, ended with the module."""
    running: list[vendors.Running] = []

    def start_(vendor: str, rate: float, *more: str) -> vendors.Running:
        folder: Path = tmp_path_factory.mktemp(vendor)
        running.append(vendors.start(vendor, folder, rate, *more))
        return running[-1]

    with pytest.MonkeyPatch.context() as environment:
        for name, value in vendors.ENVIRONMENT.items():
            environment.setenv(name, value)
        yield start_
    for one in running:
        one.process.terminate()
    for one in running:
        one.process.wait(10)
        if one.process.stdout is not None:
            one.process.stdout.close()


@pytest.fixture(scope="module")
def letterbox() -> Iterator[vendors.Letterbox]:
    box = vendors.Letterbox()
    yield box
    box.close()
