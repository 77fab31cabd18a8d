"""The main demo: measure the source of the Python standard library on this machine."""

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

import agentfx as fx

_NESTING = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While,
    ast.With, ast.AsyncWith, ast.Try, ast.Match,
)  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Measured(BaseModel):
    """One module, measured.

    Attributes:
        module: Path below the standard library.
        nesting: How deep its deepest statement stands.
        longest: Lines of its longest function.
    """

    module: str
    lines: int
    functions: int
    classes: int
    nesting: int
    longest: int
    imports: int


class Summary(BaseModel):
    """All modules together, and those with the deepest nesting first."""

    modules: int
    lines: int
    functions: int
    classes: int
    deepest: list[Measured]


def library() -> Path:
    """The folder of the standard library."""
    return Path(sysconfig.get_path("stdlib"))


def modules() -> list[str]:
    """Paths of all modules of the standard library that parse, its tests aside."""
    root = library()
    skipped = {"site-packages", "test", "tests", "idle_test", "__pycache__"}
    paths = (path.relative_to(root) for path in sorted(root.rglob("*.py")))
    return [str(path) for path in paths if not skipped & set(path.parts) and parses(root / path)]


def parses(path: Path) -> bool:
    """Whether a file is Python of this version."""
    try:
        compile(path.read_bytes(), str(path), "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


# Async, so that a worker parses one module at a time: Python 3.11's parser is not safe in
# several threads at once (its AST recursion depth is counted for all of them together).
@fx.task("stdlib::measure")
async def measure(module: str) -> Measured:
    """Parse one module and count."""
    source = (library() / module).read_bytes()
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    functions = [node for node in nodes if isinstance(node, _FUNCTIONS)]
    return Measured(
        module=module,
        lines=source.count(b"\n") + 1,
        functions=len(functions),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        nesting=max(_depths(tree, 0)),
        longest=max(((f.end_lineno or f.lineno) - f.lineno + 1 for f in functions), default=0),
        imports=sum(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes),
    )


def _depths(node: ast.AST, depth: int) -> Iterator[int]:
    yield depth
    for child in ast.iter_child_nodes(node):
        # An `elif` is an `if` in the `else` of another: it does not stand deeper.
        elif_ = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        yield from _depths(child, depth + (isinstance(child, _NESTING) and not elif_))


@fx.task("stdlib::summarize")
def summarize(measured: list[Measured]) -> Summary:
    """Add everything up."""
    return Summary(
        modules=len(measured),
        lines=sum(m.lines for m in measured),
        functions=sum(m.functions for m in measured),
        classes=sum(m.classes for m in measured),
        deepest=sorted(measured, key=lambda m: (-m.nesting, -m.longest, m.module))[:10],
    )


def program(
    paths: list[str], concurrency: int = 16
) -> fx.Effect[Summary, fx.ContractViolation | fx.TaskError]:
    """Measure modules, then summarize."""
    return (
        measure.for_each(paths, concurrency=concurrency)
        .named("measure every module")
        .flat_map(lambda found: summarize(found).named("summarize"))
    )
