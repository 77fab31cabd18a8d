"""Lets IPython await our magics: a magic cannot be a coroutine by itself.

A call that is generated for one of them, `get_ipython().run_cell_magic('run_dist', …)`, gets an
`await` and the name of its awaited twin. IPython then runs the cell on the kernel's loop, where
clicks are heard while it waits. Inside functions, and under `%%time` and its like, nothing is
changed: there the magic blocks.
"""

import ast
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

PREFIX = "_awaited_"
_RUNNERS = ("run_cell_magic", "run_line_magic")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_CELL_MAGICS = ("%%run_dist", "%%run_memory")
_GENERATED = "get_ipython().run_"


class AwaitMagics:
    """An input transformer.

    Args:
        shell: IPython's.
        names: Magics that have an awaited twin.
    """

    def __init__(self, shell: Any, names: frozenset[str]) -> None:
        self._shell, self._names = shell, names
        self._running = {getattr(shell, name).__func__.__code__ for name in _RUNNERS}

    def __call__(self, lines: list[str]) -> list[str]:
        text = "".join(lines)
        if _GENERATED not in text or not self._shell.autoawait or self._inside_a_magic():
            return lines
        try:
            tree = ast.parse(text)
        except SyntaxError:
            return lines
        changed = [line.encode() for line in text.splitlines(keepends=True)]
        for call in sorted(self._calls(tree), key=lambda c: -c.col_offset):
            name = _name(call)
            assert name is not None  # noqa: S101 - only such calls are found
            line = changed[call.lineno - 1]
            before, rest = line[: call.col_offset], line[call.col_offset :]
            awaited = rest.replace(f"'{name}'".encode(), f"'{PREFIX}{name}'".encode(), 1)
            changed[call.lineno - 1] = before + b"await " + awaited
        return [line.decode() for line in changed]

    def _calls(self, tree: ast.AST) -> Iterator[ast.Call]:
        pending = [tree]
        while pending:
            node = pending.pop()
            if isinstance(node, _SCOPES):
                continue
            if isinstance(node, ast.Call) and _name(node) in self._names and not _is_empty(node):
                yield node
            pending.extend(ast.iter_child_nodes(node))

    def _inside_a_magic(self) -> bool:
        """Whether this is the body of `%%time`, `%%capture` and the like."""
        frame = sys._getframe(1)
        while True:
            code: CodeType = frame.f_code
            if code in self._running:
                return True
            if frame.f_back is None:
                return False
            frame = frame.f_back


def magic_first(lines: list[str]) -> list[str]:
    """Drop comments before one of our cell magics, which IPython takes for a line magic there."""
    for number, line in enumerate(lines):
        text = line.strip()
        if text.startswith(_CELL_MAGICS):
            return lines[number:]
        if text and not text.startswith("#"):
            return lines
    return lines


def _is_empty(call: ast.Call) -> bool:
    """Whether it is the call of a cell that has no body: IPython says what is wrong."""
    body = call.args[-1]
    return len(call.args) > 2 and isinstance(body, ast.Constant) and body.value == ""


def _name(call: ast.Call) -> str | None:
    """The magic that a generated call runs."""
    function = call.func
    if not (isinstance(function, ast.Attribute) and function.attr in _RUNNERS and call.args):
        return None
    first = call.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
