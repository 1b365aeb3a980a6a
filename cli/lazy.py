"""Verbs that are imported when they are called: none waits for what only others need."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command


class Verb(TyperCommand):
    """Stands in a group for a verb; its callback gives the function that is one."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        assert self.callback is not None
        real = typer.Typer(add_completion=False, rich_markup_mode="rich")
        real.command(self.name)(self.callback())
        return get_command(real).make_context(*args, **more)


def add(group: typer.Typer, verbs: Mapping[str, tuple[str, str]]) -> None:
    """Add verbs to a group: each one's function as ``module:attribute``, its help's first line."""
    for name, (target, summary) in verbs.items():
        group.command(name, cls=Verb, help=summary)(_loader(target))


def _loader(target: str) -> Callable[[], Callable[..., None]]:
    def load() -> Callable[..., None]:
        module, attribute = target.split(":")
        # Imports leave next to no garbage, but looking for it is a quarter of their time. What
        # is frozen is not looked at again, not even at the end of the process.
        gc.disable()
        found: Callable[..., None] = getattr(import_module(module), attribute)
        gc.freeze()
        gc.enable()
        return found

    return load
