"""Rules about candidates as four functions: what holds of an order, its nodes, services, quotes.

Each part of a rule is asked where all that it reads is known, and what is the same for all nodes,
services or quotes is worked out once before them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import reduce
from typing import Any

from policies.translate import SCRATCH, Clause, named, runnable

# Where a part of a rule is asked, by the objects that it reads.
_LEVELS = ("order", "node", "service", "quote")
TOGETHER = 3  # rules that share a tree: its size doubles with each
_GIVEN = frozenset(("params", "order"))  # the same for all that a function goes over


def place(name: str) -> ast.expr:
    """Where generated code finds a fact: an attribute of the object at hand."""
    space, _, leaf = name.partition(".")
    return ast.Attribute(named(space), leaf, ast.Load())


def functions(parts: Sequence[Sequence[Clause]]) -> dict[str, Callable[..., Any]]:
    """One function a level: the bits of the rules, 1 where its part of the rule holds; and for
    quotes ``known``, which looks them up at once (KeyError: bits that nobody has met)."""
    full = (1 << len(parts)) - 1
    at_level: dict[str, dict[int, list[ast.expr]]] = {level: {} for level in _LEVELS}
    for i, each in enumerate(parts):
        for part in each:
            at_level[_level(part)].setdefault(i, []).append(part.body)
    order, node, service, quote = (_bits(full, at_level[level]) for level in _LEVELS)
    over_nodes = _each("node", "nodes", _all_of(named("base"), node))
    at_quote = _of_quote(quote)
    looked_up = ast.Subscript(named("known"), deepcopy(at_quote), ast.Load())
    taken = ["params", "order", "nodes", "services", "by_node", "by_service", "quotes"]
    return {
        "order": runnable(["params", "order"], order),
        "node": _once(["params", "order", "base", "nodes"], over_nodes),
        "service": _once(["params", "order", "services"], _each("service", "services", service)),
        "quote": _once(taken, _each("quote", "quotes", at_quote)),
        "known": _once([*taken, "known"], _each("quote", "quotes", looked_up)),
    }


def _level(part: Clause) -> str:
    spaces = {name.partition(".")[0] for name in part.reads} - {"params"}
    if spaces <= {"order"}:
        return "order"
    return (
        "node"
        if spaces <= {"order", "node"}
        else ("service" if spaces <= {"order", "service"} else "quote")
    )


def _bits(full: int, conditions: Mapping[int, list[ast.expr]]) -> ast.expr:
    """``rest`` and the bits of the rules that hold, as one sum.

    A few rules at a time share a tree of choices, whose leaves are the sums of their bits: adding
    a bit for each rule would take as long as asking it.
    """
    rest = full & ~sum(1 << i for i in conditions)
    tests = [
        (1 << i, bodies[0] if len(bodies) == 1 else ast.BoolOp(ast.And(), bodies))
        for i, bodies in conditions.items()
    ]
    trees = [
        _tree(tests[at : at + TOGETHER], 0 if at else rest) for at in range(0, len(tests), TOGETHER)
    ]
    return reduce(lambda left, right: ast.BinOp(left, ast.Add(), right), trees or [_tree([], rest)])


def _tree(tests: Sequence[tuple[int, ast.expr]], sum_so_far: int) -> ast.expr:
    if not tests:
        return ast.Constant(sum_so_far)
    (bit, test), *others = tests
    return ast.IfExp(deepcopy(test), _tree(others, sum_so_far + bit), _tree(others, sum_so_far))


def _all_of(*bits: ast.expr) -> ast.expr:
    return reduce(lambda left, right: ast.BinOp(left, ast.BitAnd(), right), bits)


def _each(item: str, items: str, made: ast.expr) -> ast.expr:
    target = ast.Name(item, ast.Store())
    return ast.ListComp(made, [ast.comprehension(target, named(items), [], is_async=0)])


class _AtQuote(ast.NodeTransformer):
    """At a quote its node and service are found by index."""

    def visit_Name(self, name: ast.Name) -> ast.expr:
        return _indexed(f"{name.id}s", name.id) if name.id in ("node", "service") else name


def _indexed(items: str, index: str) -> ast.expr:
    return ast.Subscript(named(items), ast.Attribute(named("quote"), index, ast.Load()), ast.Load())


def _of_quote(bits: ast.expr) -> ast.expr:
    return _all_of(
        _indexed("by_node", "node"), _indexed("by_service", "service"), _AtQuote().visit(bits)
    )


def _once(parameters: Sequence[str], body: ast.expr) -> Callable[..., Any]:
    """A function whose body works out first what does not change while it goes over a list.

    A part that fails there might not have been asked: whoever runs it must then ask the rules one
    by one, as after any ``Fault``.
    """
    hoist = _Hoist()
    inner = hoist.visit(body)
    if not hoist.found:
        return runnable(parameters, body)
    names = ast.arguments(
        posonlyargs=[], args=[ast.arg(f"same{i}") for i in range(len(hoist.found))],
        kwonlyargs=[], kw_defaults=[], defaults=[],
    )  # fmt: skip
    return runnable(parameters, ast.Call(ast.Lambda(names, inner), [*hoist.found.values()], []))


class _Hoist(ast.NodeTransformer):
    """Takes the largest parts out that read nothing but the order and the params."""

    def __init__(self) -> None:
        self.found: dict[str, ast.expr] = {}

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr) or isinstance(node, ast.Name | ast.Constant):
            return node
        reads = set(_free(node))
        if not (reads & _GIVEN and reads <= _GIVEN):
            return self.generic_visit(node)
        written = ast.unparse(node)
        self.found.setdefault(written, node)
        return named(f"same{[*self.found].index(written)}")


def _free(node: ast.AST) -> Iterable[str]:
    """Variables that a part reads from outside; what is called is ours and no variable."""
    if isinstance(node, ast.Name):
        return {node.id}
    inside = {name for child in _read_by(node) for name in _free(child)}
    if isinstance(node, ast.Lambda):
        inside -= {a.arg for a in node.args.args}
    if isinstance(node, ast.ListComp):
        inside -= {t.target.id for t in node.generators if isinstance(t.target, ast.Name)}
    return inside - {SCRATCH}


def _read_by(node: ast.AST) -> Iterable[ast.AST]:
    return node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
