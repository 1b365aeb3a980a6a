"""One expression: checked when a document is loaded, evaluated when a decision is made.

This is the only module that knows the engine. It parses and checks; a compiled function
evaluates (translate.py), and the engine stays its oracle: when a document is loaded, on a
sample of live decisions (decide.py), in the tests.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, Literal

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from policies.subset import read_tree
from policies.translate import Fault, translate
from policies.tree import Tree

ENGINE = "cel-expr-python/0.1.3 meshline/5"

Kind = Literal["int", "bool", "string", "strings", "lines"]
Value = int | bool | str

_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_UNDEFINED = re.compile(r"undefined field '([^']*)'")
_FOREIGN = {
    r"\band\b|\bAND\b": "&& for and",
    r"\bor\b|\bOR\b": "|| for or",
    r"\bnot\b|\bNOT\b": "! for not",
    r"[^=!<>]=[^=]": "== to compare",
    r"=<|=>|<>": "<=, >= or !=",
    "[“”‘’]": "straight quotes around a text",
    r"\d%": "percent as a whole number without its sign",
    r"\d,\d": "numbers without a comma",
}
_LINE, _LINES = "meshline.Line", "order.lines"


class WrongExpression(Exception):  # noqa: N818 - says what is wrong with it
    """An expression was refused. ``offset`` counts its characters from 0."""

    def __init__(self, offset: int, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason
        self.hint = hint


class EvaluationFailed(Exception):  # noqa: N818 - says what happened
    """The engine answered with an error, for example a division by zero."""


class Language:
    """The variables of one scope with their types; compiles the expressions of its rules."""

    def __init__(self, variables: Mapping[str, Kind], line_fields: Mapping[str, Kind]) -> None:
        self.variables = dict(variables)
        self._line_fields = tuple(line_fields.items())
        pool, self._line = _line_message(self._line_fields)
        self._env = cel.NewEnv(
            pool, variables={name: _cel_type(kind) for name, kind in variables.items()}
        )

    def compile(self, source: str, wanted: Literal["bool", "int"]) -> Expression:
        """Check an expression and make it ready to run.

        Raises:
            WrongExpression: syntax, unknown field, wrong type, or outside the language.
        """
        try:
            checked = self._env.compile(source)
        except (RuntimeError, ValueError) as error:
            raise self._explained(source, str(error)) from None
        tree = Tree(checked.serialize())
        reading = read_tree(tree)
        if reading.refused:
            offset, reason = min(reading.refused)
            raise WrongExpression(offset, reason, "See the expressions in docs/policy-guide.md")
        kind = checked.return_type().name()
        if kind != wanted.upper():
            must = "true or false" if wanted == "bool" else "a whole number"
            raise WrongExpression(
                0,
                f"gives {kind.lower()}, must give {must}",
                "Compare it with something"
                if wanted == "bool"
                else "Use whole numbers, amounts in minor units",
            )
        names = sorted(reading.variables)
        kinds = {name: self.variables[name] for name in names}
        return Expression(tree, partial(self._ask, checked), source, kinds)

    def _ask(self, checked: Any, known: dict[str, Any]) -> Any:
        """The engine's own value; an error is a value to it."""
        lines = known.get(_LINES)
        if lines is not None:
            known[_LINES] = [self._line(**line) for line in lines]
        return checked.eval(self._env.Activation(known)).value()

    def nearest(self, name: str) -> str:
        """A hint at the variable that was probably meant."""
        space, _, leaf = name.rpartition(".")
        same = [v for v in self.variables if v.partition(".")[2] == leaf and not space]
        close = same or difflib.get_close_matches(name, self.variables, n=1, cutoff=0.5)
        if close:
            return f"Did you mean {close[0]}?"
        if not space:
            return f"Put a text into quotes: '{name}'; see docs/policy-guide.md for the facts"
        fields = [v for v in self.variables if v.startswith(space + ".")]
        return f"There are {', '.join(fields[:8])}" if fields else "See docs/policy-guide.md"

    def _explained(self, source: str, message: str) -> WrongExpression:
        if "recursion" in message:
            return WrongExpression(0, "nests too deeply", "Use fewer operators and brackets")
        found = _ERROR.search(message)
        if not found:
            return WrongExpression(0, message.split(" [")[0], "Simplify the expression")
        line, column, reason = int(found[1]), int(found[2]), found[3].split(" [")[0]
        rows = source.splitlines(keepends=True)
        offset = sum(map(len, rows[: line - 1])) + column - 1
        if unknown := _UNDECLARED.search(reason):
            name = unknown[1]
            # The engine points at the last dot; a person looks for the beginning.
            start = source.rfind(name, 0, offset + len(name) + 1)
            return WrongExpression(
                start if start >= 0 else offset, f"{name} is unknown here", self.nearest(name)
            )
        if unknown := _UNDEFINED.search(reason):
            close = difflib.get_close_matches(unknown[1], dict(self._line_fields), n=1, cutoff=0.5)
            hint = f"Did you mean {close[0]}?" if close else "See docs/policy-guide.md"
            return WrongExpression(offset, f"a line has no field {unknown[1]}", hint)
        if reason.startswith("Syntax error"):
            return WrongExpression(offset, reason, _syntax_hint(source))
        hint = "Compare values of one type; amounts are whole minor units, 1.5 × is * 3 / 2"
        return WrongExpression(offset, reason, hint)


class Expression:
    """A checked expression, a pure function of the facts that it reads.

    Attributes:
        tree: the engine's checked tree, for those who read an expression instead of running it.
        kinds: the facts that it reads with their types, in the order of ``reads``.
        reads: (space, name) of each fact, in the order in which ``evaluate`` takes them.
    """

    __slots__ = ("_function", "_oracle", "kinds", "reads", "source", "tree")

    def __init__(
        self, tree: Tree, oracle: Callable[[dict[str, Any]], Any], source: str,
        kinds: Mapping[str, Kind],
    ) -> None:  # fmt: skip
        self._function = translate(tree, list(kinds))
        self._oracle = oracle
        self.tree = tree
        self.source = source
        self.kinds = dict(kinds)
        self.reads = tuple((space, leaf) for space, _, leaf in (n.partition(".") for n in kinds))

    def evaluate(self, facts: Iterable[Any]) -> bool | int:
        """The value for these facts, one for each of ``reads``.

        Raises:
            EvaluationFailed: its value is an error, for example a division by zero.
        """
        try:
            value: bool | int = self._function(*facts)
        except Fault as fault:
            raise EvaluationFailed(str(fault)) from None
        return value

    def by_engine(self, facts: Iterable[Any]) -> bool | int:
        """What the engine itself says: the oracle of ``evaluate``.

        Raises:
            EvaluationFailed: the engine gave no value; most errors are values to it.
        """
        value = self._oracle(dict(zip(self.kinds, facts, strict=True)))
        if type(value) is bool or type(value) is int:
            return value
        raise EvaluationFailed(str(value))


def _syntax_hint(source: str) -> str:
    """A hint at what people write who know another language."""
    for foreign, ours in _FOREIGN.items():
        if re.search(foreign, source):
            return f"Write {ours}"
    return "Correct the expression here"


def _cel_type(kind: Kind) -> Any:
    return {
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
        "string": cel.Type.STRING,
        "strings": cel.Type.List(cel.Type.STRING),
        "lines": cel.Type.List(cel.Type(_LINE)),
    }[kind]


@lru_cache(maxsize=8)
def _line_message(fields: tuple[tuple[str, Kind], ...]) -> tuple[Any, Any]:
    """Descriptor pool and class of a line, so that a misspelt ``l.field`` fails at load."""
    types = {"int": 3, "bool": 8, "string": 9}
    file = descriptor_pb2.FileDescriptorProto(
        name="meshline/line.proto", package="meshline", syntax="proto3"
    )
    message = file.message_type.add(name="Line")
    for number, (name, kind) in enumerate(fields, start=1):
        message.field.add(name=name, number=number, label=1, type=types[kind])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool, message_factory.GetMessageClass(pool.FindMessageTypeByName(_LINE))
