"""Policy as code: documents that revenue operations edit, checked when they are loaded.

Deciding is pure. Only ``library`` reads files, and only while loading.
"""

from policies.compiled import Policy
from policies.decide import decide, snapshot_hash
from policies.explain import explain
from policies.library import (
    DEFAULT_POINTS,
    DIFFERS,
    TEMPLATES,
    Library,
    Trial,
    load_policy,
    read_policy,
)
from policies.samples import sample

__all__ = [
    "DEFAULT_POINTS",
    "DIFFERS",
    "TEMPLATES",
    "Library",
    "Policy",
    "Trial",
    "decide",
    "explain",
    "load_policy",
    "read_policy",
    "sample",
    "snapshot_hash",
]
