"""What the magics take: their arguments, and the help that says so."""

import argparse
from collections.abc import Callable
from difflib import get_close_matches
from typing import Never

from agentfx.notebook._errors import UserError


class MagicParser(argparse.ArgumentParser):
    """Reads the line of a magic; a mistake is one line, not the end of the kernel."""

    def __init__(self, name: str, about: str) -> None:
        super().__init__(
            name, description=about, add_help=False, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    def error(self, message: str) -> Never:
        """See `argparse.ArgumentParser.error`.

        Raises:
            UserError: Always.
        """
        hint = "".join(self._meant(word) for word in message.split() if word.startswith("--"))
        usage = " ".join(self.format_usage().split())
        raise UserError(f"{message}{hint}; {usage}; help: {self.prog}?")

    def _meant(self, word: str) -> str:
        close = get_close_matches(word, self.options(), 1)
        return f": did you mean {close[0]}?" if close and close[0] != word else ""

    def read(self, line: str) -> argparse.Namespace:
        """The arguments in a line.

        Raises:
            UserError: It cannot be read; the message has the usage.
        """
        return self.parse_args(self._options_last([_bare(word) for word in words_of(line)]))

    def _options_last(self, words: list[str]) -> list[str]:
        """The same words, so that those of an expression stand together."""
        first: list[str] = []
        last: list[str] = []
        waiting = 0  # values that the option before takes
        for word in words:
            action = self._option_string_actions.get(word.partition("=")[0])
            if action is not None:
                waiting = int(action.nargs != 0 and "=" not in word)
            (last if action is not None or waiting else first).append(word)
            if action is None:
                waiting = 0
        return [*first, *last]

    def options(self) -> list[str]:
        """The options it knows, for completion."""
        return sorted(name for action in self._actions for name in action.option_strings)

    def choices(self) -> list[str]:
        """The words its first argument can be."""
        for action in self._actions:
            if not action.option_strings:
                return [str(choice) for choice in action.choices or ()]
        return []


def words_of(line: str) -> list[str]:
    """Split at spaces, but not inside of brackets and quotes: those belong to Python."""
    words: list[str] = []
    begun, depth, quote = True, 0, ""
    for character in line:
        if character.isspace() and not depth and not quote:
            begun = True
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth = max(depth + (character in "([{") - (character in ")]}"), 0)
        if begun:
            words.append("")
            begun = False
        words[-1] += character
    return words


def _bare(word: str) -> str:
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "'\""
    return word[1:-1] if quoted else word


def variable(word: str) -> str:
    """A word that can be the name of a variable.

    Raises:
        ArgumentTypeError: It cannot.
    """
    if not word.isidentifier():
        raise argparse.ArgumentTypeError(f"{word} cannot be the name of a variable")
    return word


def _program(parser: MagicParser) -> None:
    parser.add_argument(
        "program", nargs="*", default=[], help="the line form: a program's name, or an expression"
    )
    parser.add_argument(
        "-o", "--out", metavar="NAME", type=variable, help="keep the exit under this name"
    )
    parser.add_argument("--env", metavar="NAME", help="the capabilities: LLM.of(…) | DB.of(…)")


def _run_dist(parser: MagicParser) -> None:
    _program(parser)
    parser.add_argument("--run-id", metavar="ID", help="a new one, or of a run to go on with")
    parser.add_argument("--fresh", action="store_true", help="start over")
    parser.add_argument("--workers", type=int, help="of this folder's cluster, at least")
    parser.add_argument("--detach", action="store_true", help="do not wait for the end")


def _resume(parser: MagicParser) -> None:
    parser.add_argument("run_id", help="as %%runs lists it")
    _program(parser)


def _agentfx(parser: MagicParser) -> None:
    what = ("up", "down", "status", "doctor")
    parser.add_argument("what", choices=what, nargs="?", default="status")
    parser.add_argument("--workers", type=int, default=2, help="how many afterwards, at least")
    parser.add_argument(
        "--tasks", action="append", default=[], help="module whose tasks new workers have"
    )
    parser.add_argument(
        "--serve", action="append", default=[], help="folder of a worker in any language"
    )
    parser.add_argument("--slots", type=int, default=4, help="jobs at once, of each new worker")
    parser.add_argument("--url", help="an iii engine that runs already, not the embedded one")
    parser.add_argument("--token", help="for that engine")
    parser.add_argument("--config", help="an iii configuration file for the embedded engine")


def _workers(parser: MagicParser) -> None:
    what = ("list", "spawn", "kill", "stop")
    parser.add_argument("what", choices=what, nargs="?", default="list")
    parser.add_argument("label", nargs="?", help="the worker to kill or stop, such as w1")


def _dlq(parser: MagicParser) -> None:
    what = ("list", "redrive", "discard")
    parser.add_argument("what", choices=what, nargs="?", default="list")
    parser.add_argument("job", nargs="?", help="id of the dead letter, or its first letters")


def _runs(parser: MagicParser) -> None:
    parser.add_argument("--limit", type=int, default=100, help="how many")


def _events(parser: MagicParser) -> None:
    parser.add_argument("run_id", nargs="?", help="as %%runs lists it; the newest without it")


def _nothing(parser: MagicParser) -> None:
    """It takes no arguments."""


_MAGICS: dict[str, tuple[str, str, Callable[[MagicParser], None]]] = {
    "run_memory": ("%%", "Run a program in this kernel, without workers, with its tree.", _program),
    "run_dist": (
        "%%",
        "Run a program on workers, durably, with a live panel.\n\n"
        "The cell's last expression is the program; the cell may define tasks. Without --run-id\n"
        "a cell goes on with its own unfinished run, if its code is the same.",
        _run_dist,
    ),
    "resume": ("%", "Go on with a run; finished steps are not run again.", _resume),
    "agentfx": ("%", "Start, end, show or check the cluster of this folder.", _agentfx),
    "workers": ("%", "List workers; spawn one, kill one (SIGKILL), or let one stop.", _workers),
    "runs": ("%", "List runs, newest first.", _runs),
    "queues": ("%", "List tasks with jobs that wait, run or are dead.", _nothing),
    "dlq": ("%", "List dead letters; redrive one, or discard it for good.", _dlq),
    "contracts": (
        "%",
        "List functions that declare a contract, in any language; agentfx.contract(ID) shows one.",
        _nothing,
    ),
    "events": ("%", "List all that happened in a run.", _events),
}


def _made(name: str) -> MagicParser:
    prefix, about, fill = _MAGICS[name]
    parser = MagicParser(prefix + name, about)
    fill(parser)
    return parser


PARSERS: dict[str, MagicParser] = {name: _made(name) for name in _MAGICS}
"""What each magic takes."""
