"""Pages of the documentation as things to run. CONTRIBUTING.md says how they are written."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DATA = {"", "text", "json", "toml", "yaml", "ipython"}
"""Fences that hold no code; cells of IPython are run by tests/notebooks."""

Kind: TypeAlias = Literal["python", "console", "file", "prints", "not run", "data", "unknown"]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        kind: What to do with it.
        text: What stands in it.
        line: Of the page, where its text begins, from 1.
        about: The name of a `file`, the reason of a `not run`, the language of an `unknown`.
    """

    kind: Kind
    text: str
    line: int
    about: str = ""


def pages() -> list[Path]:
    """Every page that people read."""
    own = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return own + sorted((ROOT / "docs").rglob("*.md"))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    tokens = MarkdownIt().parse(page.read_text())
    found: list[Block] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence":
            follows = before is not None and before.type == "fence"
            last = found[-1].kind if follows else None
            found.append(_block(token, _comment(before), last))
    return found


def _block(token: Token, comment: tuple[str, str] | None, last: Kind | None) -> Block:
    line = (token.map or [0])[0] + 2
    language = token.info.strip()
    if comment is not None and comment[0] == "not run":
        return Block("not run", token.content, line, comment[1])
    if comment is not None and comment[0] == "file":
        return Block("file", token.content, line, comment[1])
    if language == "text" and last == "python":
        return Block("prints", token.content, line)
    if language == "python":
        return Block("python", token.content, line)
    if language == "console":
        return Block("console", token.content, line)
    return Block("data" if language in DATA else "unknown", token.content, line, language)


def _comment(token: Token | None) -> tuple[str, str] | None:
    if token is None or token.type != "html_block":
        return None
    found = re.fullmatch(r"<!-- (not run|file): (.+?) -->\n?", token.content, re.DOTALL)
    return (found[1], " ".join(found[2].split())) if found else None


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it prints; `$ ` begins one."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def prints(expected: str, printed: str) -> bool:
    """Whether something was printed; `…` stands for anything, also for several lines."""
    parts = [re.escape(part) for part in expected.strip().split("…")]
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(".*".join(parts), lines, re.DOTALL) is not None


def targets(page: Path) -> list[str]:
    """Where the links and pictures of a page lead."""
    found: list[str] = []
    pending = MarkdownIt().parse(page.read_text())
    while pending:
        token = pending.pop()
        pending.extend(token.children or [])
        if token.type in ("link_open", "image"):
            found.append(str(token.attrGet("href") or token.attrGet("src")))
    return found


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have."""
    tokens = MarkdownIt().parse(page.read_text())
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
