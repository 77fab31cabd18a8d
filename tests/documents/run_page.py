"""Runs one page in a process of its own, in an empty working folder.

Python blocks continue one another as the module `__main__`, as cells of a notebook do; `await`
may stand at their top. Tasks that they define travel to workers as a notebook's do.
"""

import ast
import asyncio
import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.documents.page import Block, blocks, commands, prints

COMMAND_SECONDS = 200


def _python(block: Block, page: Path, runner: asyncio.Runner) -> str:
    source = "\n" * (block.line - 1) + block.text  # so that a traceback names the page's line
    code: CodeType = compile(source, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with redirect_stdout(io.StringIO()) as printed:
        made: Any = eval(code, sys.modules["__main__"].__dict__)  # noqa: S307 - a page of ours
        if made is not None:  # it awaits
            runner.run(made)
    return printed.getvalue()


def _console(block: Block) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "160", "NO_COLOR": "1"}
    found = commands(block)
    if not found:
        sys.exit(f"line {block.line}: a console block has a command, which begins with `$ `")
    for command, expected in found:
        ran = subprocess.run(
            ["/bin/sh", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=COMMAND_SECONDS,
        )
        if not prints(expected, ran.stdout):
            sys.exit(f"line {block.line}: `{command}` prints\n{ran.stdout}\nand not\n{expected}")


def main(page: Path) -> None:
    """Run a page from top to bottom."""
    sys.path.insert(0, "")
    sys.modules["__main__"] = ModuleType("__main__")
    printed = ""
    with asyncio.Runner() as runner:
        for block in blocks(page):
            match block.kind:
                case "python":
                    printed = _python(block, page, runner)
                case "prints":
                    if not prints(block.text, printed):
                        sys.exit(
                            f"line {block.line}: printed was\n{printed}\nand not\n{block.text}"
                        )
                case "console":
                    _console(block)
                case "file":
                    Path(block.about).write_text(block.text)
                case _:
                    pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
