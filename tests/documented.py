"""Names of tests in the documentation, and whether those tests are there."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAMED = re.compile(r"`(?:([\w./]+\.py)::)?(test_\w+…?|…_\w+)`|`([\w./]+\.py)`")


def named_in(text: str) -> list[tuple[str, str]]:
    """Each (file, test) that a text names; one of the two may be empty.

    A name may be cut off at one end: `test_a_worker…`, `…_is_killed`.
    """
    return [(before or alone, test) for before, test, alone in _NAMED.findall(text)]


def missing(text: str) -> list[str]:
    """What a text names and is not there; the first folders of a file's path may be left out."""
    return [f"{file}::{test}" for file, test in named_in(text) if not _there(file, test)]


def _there(file: str, test: str) -> bool:
    if not test:
        return (ROOT / file).is_file() or any(_is(path, file) for path in _texts())
    whole = re.sub("^…", r"test_\\w+", re.sub("…$", r"(_\\w+)?", test))
    wanted = re.compile(rf"^(?:async )?def {whole}\(", re.MULTILINE)
    return any(wanted.search(text) for path, text in _texts().items() if _is(path, file))


def _is(path: Path, file: str) -> bool:
    return path.as_posix().endswith(f"/{file}" if file else ".py")


@cache
def _texts() -> dict[Path, str]:
    return {path: path.read_text() for path in sorted((ROOT / "tests").rglob("*.py"))}
