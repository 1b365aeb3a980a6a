"""The two bases of every model: frozen inside, strict at the edges."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value. Unknown fields are refused, so a misspelt name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Frozen):
    """Why an input was refused, in the form every verb and log prints.

    Attributes:
        source: the file, address or message that held it, with a row where there is one.
        field: the field's name as its author wrote it.
        reason: what is wrong with the value.
        remedy: what to do next.
    """

    source: str
    field: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.source}: {self.field}: {self.reason}. {self.remedy}"


class InvalidInput(ValueError):  # noqa: N818 - the name people read in a terminal
    """Input was refused whole. Carries every problem found, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems
