"""`meshline key`."""

from __future__ import annotations

import typer

from store.personal import Vault


def key() -> None:
    """Print a new key for MESHLINE_PII_KEY."""
    typer.echo(Vault.new_key())
