"""What the magics for agents take."""

import argparse
from collections.abc import Callable

from agentfx.notebook._arguments import MagicParser, variable


class WordsParser(MagicParser):
    """Options, then words as people write them: quotes and apostrophes are letters."""

    def read(self, line: str) -> argparse.Namespace:
        """See `MagicParser.read`."""
        return self.parse_args(line.split())


def _agent(parser: MagicParser) -> None:
    parser.add_argument("what", choices=("new", "list", "use"), nargs="?", default="list")
    parser.add_argument("name", nargs="?", help="new: an agent of this notebook; use: its id")
    _session(parser, "id of the new session, or of one that is there")


def _session(parser: MagicParser, about: str = "not the one in use") -> None:
    parser.add_argument("--session", metavar="ID", help=about)


def _ask(parser: MagicParser) -> None:
    parser.add_argument(
        "-o", "--out", metavar="NAME", type=variable, help="keep the answer under this name"
    )
    parser.add_argument("--detach", action="store_true", help="do not wait for the answer")
    _session(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, help="the message, in the line form")


def _log(parser: MagicParser) -> None:
    parser.add_argument("session", nargs="?", help="not the one in use")
    parser.add_argument("--live", action="store_true", help="a table that grows, with a filter")


def _approve(parser: MagicParser) -> None:
    parser.add_argument("call", nargs="?", help="which, as the panel shows it")
    parser.add_argument("--arguments", metavar="NAME", help="a dict to run it with instead")
    _session(parser)


def _reject(parser: MagicParser) -> None:
    _session(parser)
    parser.add_argument("--call", help="which, as the panel shows it")
    parser.add_argument("reason", nargs=argparse.REMAINDER, help="for the model to read")


def _fork(parser: MagicParser) -> None:
    parser.add_argument("at", help="number of the last event that is kept")
    parser.add_argument("--branch", metavar="ID", help="of the new session")
    parser.add_argument("--edit", metavar="TEXT", help="of that message or result, in quotes")
    parser.add_argument("--agent", metavar="NAME", help="the branch goes on with this one")
    _session(parser)


def _compare(parser: MagicParser) -> None:
    parser.add_argument("left", help="id of a session")
    parser.add_argument("right", nargs="?", help="id of another; the one in use without it")


_MAGICS: dict[str, tuple[type[MagicParser], str, str, Callable[[MagicParser], None]]] = {
    "agent": (
        MagicParser,
        "%",
        "List sessions of agents; begin one, or go on with one.\n\n"
        "%agent new calc     a new session of the agent that has this name here\n"
        "%agent use calc-3f  go on with a session, also after a restart of the kernel",
        _agent,
    ),
    "ask": (
        WordsParser,
        "%%",
        "Say something to the agent of the session in use, and watch it work.\n\n"
        "The cell is the message. Without any words it watches what goes on already. Interrupt\n"
        "stops watching, and nothing else.",
        _ask,
    ),
    "log": (MagicParser, "%", "The log of a session, one row an event.", _log),
    "approve": (MagicParser, "%", "Let a held call run, maybe with other arguments.", _approve),
    "reject": (WordsParser, "%", "Do not let a held call run; the model reads why.", _reject),
    "fork": (
        MagicParser,
        "%",
        "Branch a session after an event, and go on with the branch; the parent stays.",
        _fork,
    ),
    "compare": (MagicParser, "%", "Two sessions side by side: events, cost, outcome.", _compare),
}


def _made(name: str) -> MagicParser:
    kind, prefix, about, fill = _MAGICS[name]
    parser = kind(prefix + name, about)
    fill(parser)
    return parser


AGENT_PARSERS: dict[str, MagicParser] = {name: _made(name) for name in _MAGICS}
"""What each magic takes."""
