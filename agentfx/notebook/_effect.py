"""A program's tree, without running it."""

from dataclasses import dataclass

from agentfx.algebra import AnyEffect
from agentfx.notebook._html import tree
from agentfx.notebook._outline import Stage, outline
from agentfx.notebook._text import text_tree
from agentfx.notebook._words import Line


@dataclass(frozen=True, slots=True)
class EffectTree:
    """What a program will do; shows itself as text and HTML."""

    stages: tuple[Stage, ...]

    def lines(self) -> list[Line]:
        """The stages, top to bottom."""
        found: list[Line] = []
        pending = [(stage, 0) for stage in reversed(self.stages)]
        while pending:
            stage, depth = pending.pop()
            found.append(Line(depth, None, "○" if stage.path else "·", stage.text, _about(stage)))
            pending.extend((inner, depth + 1) for inner in reversed(stage.inner))
        return found

    def __str__(self) -> str:
        return "\n".join(text_tree(self.lines()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<div>{tree(self.lines())}</div>"


def _about(stage: Stage) -> str:
    parts = [f"step {stage.path}" if stage.path else "", stage.label or "", stage.note or ""]
    return " · ".join(part for part in parts if part and part != stage.text)


def effect(program: AnyEffect) -> EffectTree:
    """The tree of a program, as far as it is known before it runs."""
    return EffectTree(outline(program))
