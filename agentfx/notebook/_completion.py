"""Completion of the magics' arguments: options, workers, runs, dead letters, programs."""

from collections.abc import Callable
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.cluster import is_program
from agentfx.harness import Agent
from agentfx.notebook._agent_arguments import AGENT_PARSERS
from agentfx.notebook._arguments import PARSERS
from agentfx.notebook._cell import is_environment
from agentfx.notebook._kit import Kit

ASK_SECONDS = 1.0
MOST = 50


class Completer:
    """Answers IPython's completion for our magics.

    Args:
        shell: IPython's.
        kit: Of this kernel.
    """

    def __init__(self, shell: Any, kit: Kit) -> None:
        self._shell, self._kit = shell, kit

    def register(self) -> None:
        """Make IPython ask it."""
        for name in (*PARSERS, *AGENT_PARSERS, "effect"):
            for prefix in ("%", "%%"):
                self._shell.set_hook("complete_command", self, str_key=f"{prefix}{name}")

    def __call__(self, _shell: Any, event: Any) -> list[str]:
        """Words that can stand at the cursor."""
        name, *words = event.line.lstrip("%").split()
        before = words if event.line.endswith(" ") else words[:-1]
        return self.words(name, before)

    def words(self, name: str, before: list[str]) -> list[str]:
        """Words that can follow others after a magic."""
        parser = PARSERS.get(name) or AGENT_PARSERS.get(name)
        if before[-1:] in (["-o"], ["--out"], ["--run-id"]) or parser is None:
            return self._programs() if parser is None else []
        if before[-1:] == ["--env"]:
            return self._names(is_environment)
        if before[-1:] == ["--session"]:
            return self._listed("session::list", "id")
        if before[-1:] == ["--agent"]:
            return self._names(_is_agent)
        options = [option for option in parser.options() if option not in before]
        return [*self._first(name, before, parser.choices()), *options]

    def _first(self, name: str, before: list[str], choices: list[str]) -> list[str]:
        given = [word for word in before if not word.startswith("-")]
        if name == "workers" and given[:1] in (["kill"], ["stop"]):
            return self._listed("workers::list", "label")
        if name == "dlq" and given[:1] in (["redrive"], ["discard"]):
            return self._listed("dead::list", "id")
        if name == "agent" and given[:1] == ["new"]:
            return self._names(_is_agent)
        if (name == "agent" and given[:1] == ["use"]) or name in ("log", "compare"):
            return self._listed("session::list", "id")
        if name in ("resume", "events") and not given:
            return self._listed("runs::list", "id")
        if name in ("run_dist", "run_memory", "resume"):
            return self._programs()
        return choices if not given else []

    def _programs(self) -> list[str]:
        return self._names(is_program)

    def _names(self, fits: Callable[[object], bool]) -> list[str]:
        found = self._shell.user_ns.items()
        return sorted(name for name, value in found if not name.startswith("_") and fits(value))

    def _listed(self, request: str, key: str) -> list[str]:
        if self._kit.engine_in_use is None:
            return []  # a key press starts no cluster
        try:
            asked = self._kit.request(request, {"limit": MOST})
            rows: list[dict[str, Any]] = self._kit.cluster.call(asked, ASK_SECONDS)
        except (AgentfxError, TimeoutError):
            return []
        return [str(row[key]) for row in rows]


def _is_agent(value: object) -> bool:
    return isinstance(value, Agent)
