"""Running the code of a cell for the program that its last expression makes."""

import ast
import inspect
from collections.abc import Coroutine
from typing import Any

from agentfx.algebra import AnyEffect
from agentfx.cluster import is_program
from agentfx.notebook._errors import UserError

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class CellCode:
    """The statements of a cell, and the expression that it ends in.

    Args:
        shell: IPython's.
        source: Text of the cell.

    Raises:
        UserError: It does not end in an expression.
        SyntaxError: It is no Python.
    """

    def __init__(self, shell: Any, source: str) -> None:
        self._namespace: dict[str, Any] = shell.user_ns
        text: str = shell.transform_cell(source)
        # As a cell of IPython: tracebacks and `inspect` find the lines.
        name = shell.compile.cache(text, shell.execution_count, raw_code=source)
        tree = ast.parse(text, name)
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


def checked(value: object) -> AnyEffect:
    """A value that is a program.

    Raises:
        UserError: It is something else.
    """
    if is_program(value):
        return value
    made = "a function: call it" if callable(value) else type(value).__name__
    raise UserError(
        f"the cell ends in {made}, not in a program: a call of a task, fx.for_each(…), "
        "fx.succeed(…)"
    )


def named(shell: Any, expression: str) -> Any:
    """What an expression of the user's names.

    Raises:
        UserError: It names nothing.
    """
    try:
        return eval(expression, shell.user_ns)  # noqa: S307 - the user's own words
    except (NameError, AttributeError, SyntaxError) as error:
        raise UserError(f"{expression}: {error}") from None
