"""The magics for agents: each reads its arguments and calls a function of `_sessions`."""

from argparse import Namespace
from typing import Any

from agentfx.harness import Agent, Comparison, Session
from agentfx.notebook import _sessions
from agentfx.notebook._asking import Asked, Asker
from agentfx.notebook._cell import named
from agentfx.notebook._errors import UserError, needed
from agentfx.notebook._kit import Kit
from agentfx.notebook._log_panel import show_log
from agentfx.notebook._screen import CellScreen, Screen, print_in_cell, screen_of
from agentfx.notebook._talk_panel import TalkPanel
from agentfx.notebook._talk_text import render_html, render_text

AGENT_AWAITED = frozenset({"ask"})


class AgentMagics:
    """`%agent`, `%%ask` and the others.

    Args:
        shell: IPython's.
        kit: Of this kernel.
    """

    def __init__(self, shell: Any, kit: Kit) -> None:
        self._shell, self._kit = shell, kit
        self._cell_id = ""
        self._cells: dict[str, list[TalkPanel]] = {}

    def before_cell(self, info: Any) -> None:
        """A cell is about to run: its former panels belong to output that is gone."""
        self._cell_id = str(info.cell_id or "")
        for panel in self._cells.pop(self._cell_id, []):
            panel.close()

    @property
    def _screen(self) -> Screen:
        plain = screen_of(self._shell)
        is_cell = isinstance(plain, CellScreen)
        return CellScreen(self._shell, render_text, render_html) if is_cell else plain

    # Sessions

    def agent(self, args: Namespace, cell: str | None) -> Any:
        """See `open_session`, `use_session` and `sessions`."""
        match args.what:
            case "new":
                agent = self._agent(needed(args.name, "which agent: %agent new NAME"))
                return _sessions.open_session(agent, args.session, kit=self._kit)
            case "use":
                name = needed(args.name or args.session, "which session: %agent use ID")
                return _sessions.use_session(name, kit=self._kit)
            case _:
                return _sessions.sessions(kit=self._kit)

    def _agent(self, expression: str) -> Agent:
        value = named(self._shell, expression)
        if not isinstance(value, Agent):
            raise UserError(
                f"{expression} is {type(value).__name__}, not an agent: "
                f"{expression} = harness.Agent(…)"
            )
        return value

    # Talking

    def ask(self, args: Namespace, cell: str | None) -> Any:
        """See `Asker.begin_blocking`."""
        asker, words = Asker(self._kit, self._screen), _words(args, cell)
        asked = self._own(asker.begin_blocking(self._session(args), words, _mode(args, "blocking")))
        return self._kept(args, cell, None if args.detach else asker.outcome_blocking(asked))

    async def _awaited_ask(self, args: Namespace, cell: str | None) -> Any:
        asker, words = Asker(self._kit, self._screen), _words(args, cell)
        asked = self._own(await asker.begin(self._session(args), words, _mode(args, "awaited")))
        return self._kept(args, cell, None if args.detach else await asker.outcome(asked))

    def _session(self, args: Namespace) -> str:
        name: str | None = args.session or self._kit.session
        if name is None:
            raise UserError("no session is in use: `%agent new NAME` begins one of an agent")
        self._bring_code(name)
        return name

    def _bring_code(self, session: str) -> None:
        """An agent that was defined anew since: calls from here on run its new code."""
        agent = self._kit.agents.get(session)
        if agent is None:
            return
        names = self._shell.user_ns.items()
        here = [v for n, v in names if not n.startswith("_") and isinstance(v, Agent)]
        same = [value for value in here if value.id == agent.id]
        known = agent if any(value is agent for value in same) or not same else same[-1]
        _sessions.open_session(known, session, kit=self._kit)

    def _own(self, asked: Asked) -> Asked:
        # Without an id nobody can tell whether the next cell is this one again.
        if self._cell_id:
            self._cells.setdefault(self._cell_id, []).append(asked.panel)
        return asked

    def _kept(self, args: Namespace, cell: str | None, answer: str | None) -> str | None:
        if args.out is not None:
            if answer is not None:
                self._shell.user_ns[args.out] = answer
            return None
        return answer if cell is None else None  # the panel of the cell has shown it

    # What was said

    def log(self, args: Namespace, cell: str | None) -> Any:
        """See `log`."""
        if not args.live:
            return _sessions.log(args.session, kit=self._kit)
        session = _sessions.the_session(args.session, kit=self._kit)
        panel = show_log(self._kit, self._screen, session)
        if self._cell_id:
            self._cells.setdefault(self._cell_id, []).append(panel)
        return None

    def approve(self, args: Namespace, cell: str | None) -> None:
        """See `approve`."""
        arguments = None if args.arguments is None else self._dict(args.arguments)
        print_in_cell(_sessions.approve(args.call, arguments, session=args.session, kit=self._kit))

    def _dict(self, expression: str) -> Any:
        value: object = named(self._shell, expression)
        if not isinstance(value, dict):
            raise UserError(f"{expression} is no dict: the arguments by name")
        return value  # pyright: ignore[reportUnknownVariableType]

    def reject(self, args: Namespace, cell: str | None) -> None:
        """See `reject`."""
        reason = " ".join(args.reason)
        print_in_cell(_sessions.reject(args.call, reason, session=args.session, kit=self._kit))

    def fork(self, args: Namespace, cell: str | None) -> Session:
        """See `fork`."""
        parent = args.session or self._kit.session
        agent = None if args.agent is None else self._agent(args.agent)
        made = _sessions.fork(
            _number(args.at), branch=args.branch, edit=args.edit, agent=agent, session=args.session,
            kit=self._kit,
        )  # fmt: skip
        print_in_cell(
            f"{made.id} is a branch of {parent} and in use now: `%ask` without words watches it, "
            f"`%compare {parent}` shows both"
        )
        return made

    def compare(self, args: Namespace, cell: str | None) -> Comparison:
        """See `compare_sessions`."""
        return _sessions.compare_sessions(args.left, args.right, kit=self._kit)


def _words(args: Namespace, cell: str | None) -> str | None:
    """The message, None if there are no words."""
    text = " ".join(args.words) if cell is None else cell.strip()
    if cell is not None and args.words:
        raise UserError(f"the message is the cell; {' '.join(args.words)!r} stands beside it")
    return text or None


def _number(word: str) -> int:
    if not word.isdigit():
        raise UserError(f"{word} is no number of an event: %log lists them")
    return int(word)


def _mode(args: Namespace, otherwise: str) -> str:
    return "detached" if args.detach else otherwise
