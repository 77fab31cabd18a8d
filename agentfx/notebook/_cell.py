"""Running the code of a cell for the program that its last expression makes."""

import ast
import inspect
from collections.abc import Coroutine
from typing import Any

from agentfx.algebra import AnyEffect, Given, Stream
from agentfx.cluster import is_program
from agentfx.notebook._errors import UserError

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class CellCode:
    """The statements of a cell, and the expression that it ends in.

    Args:
        shell: IPython's.
        source: Text of the cell.

    Raises:
        UserError: It is no Python, or does not end in an expression.
    """

    def __init__(self, shell: Any, source: str) -> None:
        self._namespace: dict[str, Any] = shell.user_ns
        text: str = shell.transform_cell(source)
        # As a cell of IPython: tracebacks and `inspect` find the lines.
        name = shell.compile.cache(text, shell.execution_count, raw_code=source)
        tree = _parsed(text, name)
        if not tree.body or not isinstance(tree.body[-1], ast.Expr):
            raise UserError(
                "the cell's last line is its program, such as fetch.for_each(urls): end it in an "
                "expression"
            )
        last = tree.body.pop()
        assert isinstance(last, ast.Expr)  # noqa: S101 - checked above
        self._before = compile(tree, name, "exec", _FLAGS, dont_inherit=True)
        self._last = compile(ast.Expression(last.value), name, "eval", _FLAGS, dont_inherit=True)

    def run(self) -> AnyEffect:
        """Run it; the program.

        Raises:
            UserError: It awaits, or its last expression is no program.
        """
        for code in (self._before, self._last):
            if code.co_flags & inspect.CO_COROUTINE:
                raise UserError(
                    "the cell awaits, which it can only do where it is awaited itself: take away "
                    "%%time, %%capture and the like around it"
                )
        self._evaluate(self._before)
        return checked(self._evaluate(self._last))

    async def run_awaited(self) -> AnyEffect:
        """Run it on this loop; the program.

        Raises:
            UserError: Its last expression is no program.
        """
        value: Any = None
        for code in (self._before, self._last):
            value = self._evaluate(code)
            if code.co_flags & inspect.CO_COROUTINE:
                waiting: Coroutine[Any, Any, Any] = value
                value = await waiting
        return checked(value)

    def _evaluate(self, code: Any) -> Any:
        return eval(code, self._namespace)  # noqa: S307 - the user's own cell


def _parsed(text: str, name: str) -> ast.Module:
    try:
        return ast.parse(text, name)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise UserError(
            f"the cell is no Python: {error.msg}, line {error.lineno}: {line}"
        ) from None


def checked(value: object, where: str = "the cell ends in") -> AnyEffect:
    """A value that is a program.

    Args:
        value: To be checked.
        where: It was found, for the message.

    Raises:
        UserError: It is something else.
    """
    if is_program(value):
        return value
    if isinstance(value, Stream):
        raise UserError(f"{where} a stream, not yet a program: add .to_list()")
    if callable(value):
        name = getattr(value, "__name__", None) or getattr(value, "id", "it")
        raise UserError(f"{where} a function, not a program: call it, such as {name}(…)")
    raise UserError(
        f"{where} a value of type {type(value).__name__}, not a program: a program is a call of a "
        "task, fx.for_each(…), fx.succeed(…)"
    )


def is_environment(value: object) -> bool:
    """Whether a value is what `--env` takes."""
    return isinstance(value, Given)


def named(shell: Any, expression: str) -> Any:
    """What an expression of the user's names.

    Raises:
        UserError: It names nothing, or cannot be computed.
    """
    try:
        return eval(expression, shell.user_ns)  # noqa: S307 - the user's own words
    except Exception as error:
        trace = error.__traceback__
        if trace is not None and trace.tb_next is not None and trace.tb_next.tb_next is not None:
            raise  # in code of the user's that it calls: they need to see where
        raise UserError(f"{expression}: {error}") from None
