"""Turns a checked expression into one Python function with the same meaning.

The engine parses and checks; what it would answer for given facts, errors included, the function
answers tens of times as fast. It is built as a syntax tree from the engine's own typed tree,
node by node, out of a closed set of forms, and runs without builtins: no text of a document ever
becomes code. What differs between the two languages stands here:

- whole numbers have 64 bits: leaving them is an error, as is dividing by zero; division rounds
  towards zero and a remainder has the sign of the dividend;
- ``&&``, ``||``, ``exists`` and ``all`` swallow an error of one operand where another one decides.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from policies.tree import Tree, arguments

LEAST, MOST = -(2**63), 2**63 - 1


class Fault(Exception):  # noqa: N818 - a value of the language, not a defect
    """The error that an expression has for a value, in the engine's words."""


_OVERFLOW = "OUT_OF_RANGE: integer overflow"


def _overflow() -> int:
    """Raises: Fault: always; a number has more than 64 bits."""
    raise Fault(_OVERFLOW)


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise Fault("INVALID_ARGUMENT: divide by zero")
    if right == -1 and left == LEAST:
        raise Fault(_OVERFLOW)
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _modulo(left: int, right: int) -> int:
    if right == 0:
        raise Fault("INVALID_ARGUMENT: modulus by zero")
    if right == -1 and left == LEAST:
        raise Fault(_OVERFLOW)
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _decided(deciding: bool, items: Iterable[Any], holds: Callable[[Any], bool]) -> bool:
    """``deciding`` if any item is that; else the first error; else the other one."""
    fault: Fault | None = None
    for item in items:
        try:
            if holds(item) is deciding:
                return deciding
        except Fault as found:
            fault = fault or found
    if fault is not None:
        raise fault
    return not deciding


def _both(*operands: Callable[[], bool]) -> bool:
    return _decided(False, operands, lambda operand: operand())


def _either(*operands: Callable[[], bool]) -> bool:
    return _decided(True, operands, lambda operand: operand())


def _every(items: Iterable[Any], holds: Callable[[Any], bool]) -> bool:
    return _decided(False, items, holds)


def _some(items: Iterable[Any], holds: Callable[[Any], bool]) -> bool:
    return _decided(True, items, holds)


_HELPERS: dict[str, Callable[..., Any]] = {
    "divide": _divide, "modulo": _modulo, "overflow": _overflow, "both": _both, "either": _either,
    "every": _every, "some": _some, "size": len, "starts": str.startswith, "ends": str.endswith,
}  # fmt: skip
_CALLS = {
    "divide_int64": "divide", "modulo_int64": "modulo",
    "size_list": "size", "list_size": "size", "size_string": "size", "string_size": "size",
    "starts_with_string": "starts", "ends_with_string": "ends",
}  # fmt: skip
_FAILING = frozenset(("divide", "modulo"))
_SUMS: dict[str, type[ast.operator]] = {
    "add_int64": ast.Add, "subtract_int64": ast.Sub, "multiply_int64": ast.Mult,
}  # fmt: skip
SCRATCH = "value"  # where generated code keeps a number while it looks at its size
_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "equals": ast.Eq, "not_equals": ast.NotEq, "in_list": ast.In,
    "less_int64": ast.Lt, "less_equals_int64": ast.LtE, "greater_int64": ast.Gt,
    "greater_equals_int64": ast.GtE, "less_string": ast.Lt, "less_equals_string": ast.LtE,
    "greater_string": ast.Gt, "greater_equals_string": ast.GtE,
}  # fmt: skip


_FORMS = (
    ast.Expression, ast.Lambda, ast.arguments, ast.arg, ast.Name, ast.expr_context, ast.Constant,
    ast.Compare, ast.cmpop, ast.Call, ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.IfExp,
    ast.Subscript, ast.Tuple, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.USub, ast.BitAnd,
    ast.BitOr, ast.Attribute, ast.ListComp, ast.comprehension, ast.NamedExpr,
)  # fmt: skip


class Untranslatable(Exception):  # noqa: N818 - says what is missing
    """The tree holds a form that has no translation: the whitelist and this module differ."""


Place = Callable[[str], ast.expr]


def translate(tree: Tree, names: Sequence[str], part: Any = None) -> Callable[..., Any]:
    """The function of an expression; it takes the values of ``names`` in their order.

    Args:
        part: the node to translate, outside of any loop; the whole expression if None.

    ``order.lines`` is a list of mappings. The function raises ``Fault`` where the expression's
    value is an error.

    Raises:
        Untranslatable: a form outside the whitelist (subset.py).
    """
    taken = {name: f"fact{i}" for i, name in enumerate(names)}
    writer = _Writer(tree, lambda name: named(taken[name]), _by_key)
    body, _fails = writer.write(tree.root if part is None else part)
    return runnable(list(taken.values()), body)


@dataclass(frozen=True, slots=True)
class Clause:
    """One operand of an expression's ``&&``: its code, and the facts that it reads."""

    body: ast.expr
    reads: frozenset[str]
    line_fields: frozenset[str]


def clauses(tree: Tree, place: Place) -> list[Clause]:
    """The operands of the outermost ``&&``, left to right; all must hold.

    Where one of them fails another may still decide, so whoever runs them apart must ask the
    whole expression after a ``Fault``. Lines are objects with the fields as attributes.

    Args:
        place: the code of a fact, by its dotted name.
    """
    found = []
    pending = [tree.root]
    while pending:
        expr = pending.pop()
        if tree.overload(expr) == "logical_and":
            pending += reversed(expr.call.args)
            continue
        reads: set[str] = set()

        def noted(name: str, reads: set[str] = reads) -> ast.expr:
            reads.add(name)
            return place(name)

        writer = _Writer(tree, noted, _by_attribute)
        body, _fails = writer.write(expr)
        found.append(Clause(body, frozenset(reads), frozenset(writer.line_fields)))
    return found


def runnable(parameters: Sequence[str], body: ast.expr) -> Callable[..., Any]:
    """A function of these parameters, without builtins.

    Raises:
        Untranslatable: the body holds a form that is never run.
    """
    taken = _parameters([ast.arg(name) for name in parameters])
    function = ast.fix_missing_locations(ast.Expression(ast.Lambda(taken, body)))
    for node in ast.walk(function):  # a second look: nothing but these forms is ever run
        if not isinstance(node, _FORMS):
            raise Untranslatable(type(node).__name__)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise Untranslatable(f"the attribute {node.attr}")
    code = compile(function, "<policy>", "eval")
    made: Callable[..., Any] = eval(code, {"__builtins__": {}, **_HELPERS})
    return made


def named(name: str) -> ast.Name:
    """The code of a variable of ours."""
    return ast.Name(name, ast.Load())


def _by_key(item: ast.expr, field: str) -> ast.expr:
    return ast.Subscript(item, ast.Constant(field), ast.Load())


def _by_attribute(item: ast.expr, field: str) -> ast.expr:
    return ast.Attribute(item, field, ast.Load())


def _parameters(taken: list[ast.arg]) -> ast.arguments:
    return ast.arguments(posonlyargs=[], args=taken, kwonlyargs=[], kw_defaults=[], defaults=[])


class _Writer:
    """Writes nodes; each with whether its value may be an error."""

    def __init__(
        self, tree: Tree, place: Place, field: Callable[[ast.expr, str], ast.expr]
    ) -> None:
        self.line_fields: set[str] = set()
        self._place = place
        self._field = field
        self._tree = tree
        self._item: str | None = None

    def write(self, expr: Any) -> tuple[ast.expr, bool]:
        variable = self._tree.variable(expr)
        if variable is not None:
            return self._place(variable), False
        kind = _kind(expr)
        if kind == "const":
            return ast.Constant(_constant(expr.const)), False
        if kind == "ident" and expr.ident.name == self._item:
            return named("item"), False
        if kind == "select":
            operand, fails = self.write(expr.select.operand)
            self.line_fields.add(expr.select.field)
            return self._field(operand, expr.select.field), fails
        if kind == "list":
            elements = [self.write(element) for element in expr.list.elements]
            made = ast.Tuple([element for element, _ in elements], ast.Load())
            return made, any(fails for _, fails in elements)
        if kind == "call":
            return self._call(expr)
        if kind == "loop":
            return self._loop(expr.loop)
        raise Untranslatable(f"a {kind or 'node without a kind'}")

    def _call(self, expr: Any) -> tuple[ast.expr, bool]:
        overload = self._tree.overload(expr)
        if overload in ("logical_and", "logical_or"):
            return self._logical(overload, expr.call.args)
        written = [self.write(argument) for argument in arguments(expr.call)]
        given = [argument for argument, _ in written]
        fails = any(failing for _, failing in written)
        if overload in _COMPARISONS:
            left, right = given
            return ast.Compare(left, [_COMPARISONS[overload]()], [right]), fails
        if overload in _SUMS:
            return _fitting(ast.BinOp(given[0], _SUMS[overload](), given[1])), True
        if overload == "negate_int64":
            return _fitting(ast.UnaryOp(ast.USub(), given[0])), True
        if overload in _CALLS:
            name = _CALLS[overload]
            return ast.Call(named(name), given, []), fails or name in _FAILING
        if overload == "logical_not":
            return ast.UnaryOp(ast.Not(), given[0]), fails
        if overload == "conditional":
            return ast.IfExp(*given), fails
        if overload == "add_string":
            return ast.BinOp(given[0], ast.Add(), given[1]), fails
        if overload == "contains_string":
            return ast.Compare(given[1], [ast.In()], [given[0]]), fails
        raise Untranslatable(f"{expr.call.function} as {overload or 'nothing'}")

    def _logical(self, overload: str, operands: Sequence[Any]) -> tuple[ast.expr, bool]:
        (left, left_fails), (right, right_fails) = map(self.write, operands)
        both = overload == "logical_and"
        fails = left_fails or right_fails
        if not left_fails:  # what the left one decides, the right one is not asked
            return ast.BoolOp(ast.And() if both else ast.Or(), [left, right]), fails
        later = [ast.Lambda(_parameters([]), operand) for operand in (left, right)]
        return ast.Call(named("both" if both else "either"), list(later), []), fails

    def _loop(self, loop: Any) -> tuple[ast.expr, bool]:
        items, items_fail = self.write(loop.iter_range)
        self._item = str(loop.iter_var)
        holds, fails = self.write(loop.step.call.args[1])
        self._item = None
        some = loop.step.call.function == "_||_"
        if not (fails or items_fail):  # exists: a true among them; all: no false
            each = ast.comprehension(ast.Name("item", ast.Store()), items, [], is_async=0)
            among = ast.In() if some else ast.NotIn()
            made = ast.Compare(ast.Constant(some), [among], [ast.ListComp(holds, [each])])
            return made, False
        test = ast.Lambda(_parameters([ast.arg("item")]), holds)
        return ast.Call(named("some" if some else "every"), [items, test], []), True


def _fitting(number: ast.expr) -> ast.expr:
    """``(value if LEAST <= (value := …) <= MOST else overflow())``: a call for each would cost
    more than the sum itself."""
    kept = ast.NamedExpr(ast.Name(SCRATCH, ast.Store()), number)
    bounds = [ast.LtE(), ast.LtE()]
    fits = ast.Compare(ast.Constant(LEAST), list(bounds), [kept, ast.Constant(MOST)])
    return ast.IfExp(fits, named(SCRATCH), ast.Call(named("overflow"), [], []))


def _kind(expr: Any) -> str:
    for kind in ("const", "ident", "select", "call", "list", "loop"):
        if expr.HasField(kind):
            return kind
    return ""


def _constant(const: Any) -> bool | int | str:
    for kind in ("boolean", "integer", "text"):
        if const.HasField(kind):
            value: bool | int | str = getattr(const, kind)
            return value
    raise Untranslatable("a constant of another type")
