"""What a program will do, as far as its tree says so before it runs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from agentfx.algebra import (
    AnyEffect,
    Attempt,
    Catch,
    CatchAll,
    Collect,
    DirectCall,
    DoBlock,
    Ensuring,
    FlatMap,
    ForEach,
    Guard,
    Named,
    NamedCall,
    Provide,
    Retry,
    Sleep,
    TaskCall,
    Timeout,
    Use,
    Zip,
    is_task,
)
from agentfx.cluster import is_program
from agentfx.notebook._log import plain
from agentfx.notebook._tables import Tables
from agentfx.notebook._tree import Planned, Tree

MOST_LINKS = 60
"""Of a longer chain, the ends are shown."""
MOST_DEPTH = 20
LATER = "its steps are known when it runs"
_LEAVES: tuple[type[Any], ...] = (
    TaskCall, DirectCall, Use, Attempt, Sleep, ForEach, Timeout, Collect, Guard,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """One line of a program's outline.

    Attributes:
        text: Such as `docs::fetch('a')` or `.map(total)`.
        path: Of the durable step it will be; None where that is not certain, or it is none.
        label: Name given by `.named`.
        note: A word to the reader.
        count: Number of items of a fan-out.
        task: Id of the task it calls.
        inner: What stands inside.
        holds: Whether something will, also where it is not known before it runs.
        waits: Whether it is a pause.
        finalizes: Whether it runs however the stages before it end.
    """

    text: str
    path: str | None = None
    label: str | None = None
    note: str | None = None
    count: int | None = None
    task: str | None = None
    inner: "tuple[Stage, ...]" = ()
    holds: bool = False
    waits: bool = False
    finalizes: bool = False


class _Numbers:
    """Numbers the steps of a scope for as long as that is certain."""

    def __init__(self, prefix: str | None) -> None:
        self._prefix, self._last = prefix, 0

    def step(self) -> str | None:
        if self._prefix is None:
            return None
        self._last += 1
        return f"{self._prefix}{self._last}"

    def lose_track(self) -> None:
        self._prefix = None


def outline(program: AnyEffect) -> tuple[Stage, ...]:
    """The stages of a program, in the order in which they run."""
    return _stages(program, _Numbers(""), 0)


def name_of(stages: tuple[Stage, ...]) -> str | None:
    """What to call a program: its name, else its first stage; None without stages."""
    return (stages[0].label or stages[0].text) if stages else None


def _stages(program: AnyEffect, numbers: _Numbers, depth: int) -> tuple[Stage, ...]:
    if depth > MOST_DEPTH:
        numbers.lose_track()
        return (Stage("…"),)
    links, first = _links(program)
    label, links = _own_label(first, links)
    # Numbers of finalizers are given before the body's, the outermost one's first.
    ends = [numbers.step() for link in links if isinstance(link, Ensuring)]
    stages = [_head(first, label, numbers, depth)]
    hidden = len(links) - MOST_LINKS
    for number, link in enumerate(links):
        if hidden > 0 and number == MOST_LINKS // 2:
            stages.append(Stage(f"… {hidden:,} more …"))
        shown = hidden <= 0 or not MOST_LINKS // 2 <= number < MOST_LINKS // 2 + hidden
        end = ends.pop() if isinstance(link, Ensuring) else None
        stages += _link(link, numbers, depth, end=end, shown=shown)
    return tuple(stages)


def _links(program: AnyEffect) -> tuple[list[AnyEffect], AnyEffect]:
    """The chain of a program in the order in which it runs, and what it begins with."""
    links: list[AnyEffect] = []
    node: Any = program
    while not (isinstance(node, _LEAVES) or _is_group(node)):
        inner: Any = getattr(node, "first", None)
        if not is_program(inner):
            break
        links.append(node)
        node = inner
    links.reverse()
    return links, node


def _is_group(node: Any) -> bool:
    """Whether a name stands for several steps: it opens a scope then."""
    if not isinstance(node, (Named, NamedCall)):
        return False
    inner: Any = node.first
    while isinstance(inner, (Named, NamedCall, Retry)):
        inner = inner.first
    return not isinstance(inner, _LEAVES)


def _own_label(first: AnyEffect, links: list[AnyEffect]) -> tuple[str | None, list[AnyEffect]]:
    """A name that belongs to the first step itself, and the links without it."""
    label: str | None = None
    rest = list(links)
    for link in links:
        if not isinstance(link, (Named, NamedCall, Retry)) or not isinstance(first, _LEAVES):
            break
        if not isinstance(link, Retry):
            label = label or link.label
            rest.remove(link)
    return label, rest


def _head(first: Any, label: str | None, numbers: _Numbers, depth: int) -> Stage:
    node: Any = first
    text = plain(first.text())
    match first:
        case Named() | NamedCall():
            path = numbers.step()
            inner = _stages(first.first, _Numbers(path and f"{path}/"), depth + 1)
            return Stage(first.label, path, inner=inner)
        case ForEach():
            items: tuple[Any, ...] = first.items
            return _fan_out(node, Stage(text, numbers.step(), label, count=len(items)))
        case TaskCall():
            return Stage(text, numbers.step(), label, task=first.task.id)
        case Timeout():
            path = numbers.step()
            inner = _stages(first.first, _Numbers(path and f"{path}/"), depth + 1)
            return Stage(f"timeout {first.seconds:g} s", path, label, inner=inner)
        case Collect():
            return Stage(plain(repr(node)), numbers.step(), label, holds=True, note=LATER)
        case Guard():
            path = numbers.step()
            inner = _stages(first.first, _Numbers(path and f"{path}/"), depth + 1)
            return Stage(text.lstrip("."), path, label, inner=inner)
        case DoBlock():
            numbers.lose_track()
            return Stage(text, note=LATER)
        case Use() | Attempt() | Sleep() | DirectCall():
            return Stage(text, numbers.step(), label, waits=isinstance(first, Sleep))
        case _:
            return Stage(text)


def _fan_out(node: ForEach[Any, Any, Any], stage: Stage) -> Stage:
    note = f"{node.concurrency} at a time" + (", in memory only" if node.local_only else "")
    if is_task(node.f):
        return replace(stage, task=node.f.id, note=note)
    return replace(stage, note=f"{note}; {LATER}")


def _link(link: Any, numbers: _Numbers, depth: int, *, end: str | None, shown: bool) -> list[Stage]:
    text = plain(link.text()) if shown else ""
    stage: list[Stage] = []
    match link:
        case FlatMap() | CatchAll() | Catch():
            numbers.lose_track()
            note = LATER if isinstance(link, FlatMap) else "only after a failure"
            stage = [Stage(text, note=note)]
        case Zip():
            second = _stages(link.second, numbers, depth + 1)
            stage = [Stage(".zip"), *second]
        case Ensuring():
            stage = [Stage(text, end, note="however it ends", holds=True, finalizes=True)]
        case Named() | NamedCall() | Provide():
            stage = [Stage(text)]
        case _:
            stage = [Stage(text)]
    return stage if shown else []


def plan(stages: Iterable[Stage], tree: Tree, tables: Tables) -> None:
    """Put a program's outline into a tree: steps that are certain, and what is done to them."""
    _plan(stages, "", tree, tables)


def _plan(stages: Iterable[Stage], parent: str, tree: Tree, tables: Tables) -> None:
    after, number = "", 0
    for stage in stages:
        if stage.path is not None and not stage.finalizes:
            tree.planned(_node(stage, stage.path))
            _plan(stage.inner, stage.path, tree, tables)
            after, number = stage.path, 0
            continue
        number += 1
        place = {"after": after, "number": number, "note": stage.note}
        if stage.path is not None:
            tree.planned(_node(stage, stage.path, place))
            continue
        row = {"text": stage.text, "parent": parent, **place}
        key = f"{parent}>{after}+{number}"
        tables.put("stages", key, {name: value for name, value in row.items() if value})


def _node(stage: Stage, path: str, place: dict[str, Any] | None = None) -> Planned:
    label = stage.label or (stage.text if stage.inner else None)
    return Planned(
        path, stage.text, label, stage.task, stage.count, place,
        holds=stage.holds or bool(stage.inner), waits=stage.waits, finalizes=stage.finalizes,
    )  # fmt: skip
