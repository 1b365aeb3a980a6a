"""Gives the simulators' tests their stage."""

from tests.simulators.stagehands import exports, stage

__all__ = ["exports", "stage"]
