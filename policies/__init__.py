"""Policy as code: documents that revenue operations edit, checked when they are loaded.

Deciding is pure. Only ``library`` reads files, and only while loading.
"""

from policies.compiled import Policy
from policies.decide import DIFFERS, decide, repeats, snapshot_hash
from policies.examination import Examination, examine
from policies.explain import explain
from policies.library import (
    DEFAULT_POINTS,
    TEMPLATES,
    Library,
    Trial,
    load_policy,
    load_published,
    misnamed,
    read_policy,
    read_text,
)
from policies.samples import sample

__all__ = [
    "DEFAULT_POINTS",
    "DIFFERS",
    "TEMPLATES",
    "Examination",
    "Library",
    "Policy",
    "Trial",
    "decide",
    "examine",
    "explain",
    "load_policy",
    "load_published",
    "misnamed",
    "read_policy",
    "read_text",
    "repeats",
    "sample",
    "snapshot_hash",
]
