"""`%load_ext agentfx`."""

import warnings
from dataclasses import dataclass
from typing import Any

from agentfx.notebook._agent_arguments import AGENT_PARSERS
from agentfx.notebook._agent_magics import AGENT_AWAITED, AgentMagics
from agentfx.notebook._clicks import nest_asyncio_is_patched_in
from agentfx.notebook._completion import Completer
from agentfx.notebook._displays import register_displays, unregister_displays
from agentfx.notebook._kit import the_kit
from agentfx.notebook._magics import AWAITED, NotebookMagics, register
from agentfx.notebook._transformer import AwaitMagics, magic_first


@dataclass(slots=True)
class _Loaded:
    shell: Any
    magics: NotebookMagics
    agents: AgentMagics
    names: list[tuple[str, str]]
    transformer: AwaitMagics


_loaded: list[_Loaded] = []


def load(shell: Any) -> None:
    """Register everything; once, however often it is loaded."""
    unload(shell, leave=False)
    magics, agents = NotebookMagics(shell, the_kit()), AgentMagics(shell, the_kit())
    transformer = AwaitMagics(shell, AWAITED | AGENT_AWAITED)
    shell.input_transformers_post.append(transformer)
    shell.input_transformers_cleanup.append(magic_first)
    for each in (magics, agents):
        shell.events.register("pre_run_cell", each.before_cell)
    register_displays(shell)
    Completer(shell, the_kit()).register()
    names = [*magics.register(), *register(shell, agents, AGENT_PARSERS, AGENT_AWAITED)]
    _loaded.append(_Loaded(shell, magics, agents, names, transformer))
    if nest_asyncio_is_patched_in():
        warnings.warn(
            "nest_asyncio is patched in: clicks are lost while a cell runs. agentfx does not need "
            "it; restart the kernel without it.",
            stacklevel=3,
        )


def unload(shell: Any, *, leave: bool = True) -> None:
    """Take everything away again, and let go of the cluster."""
    for loaded in list(_loaded):
        if loaded.shell is not shell:
            continue
        _loaded.remove(loaded)
        shell.input_transformers_post.remove(loaded.transformer)
        shell.input_transformers_cleanup.remove(magic_first)
        for each in (loaded.magics, loaded.agents):
            shell.events.unregister("pre_run_cell", each.before_cell)
        unregister_displays(shell)
        for kind, name in loaded.names:
            shell.magics_manager.magics[kind].pop(name, None)
    if leave:
        kit = the_kit()
        kit.call(kit.leave())
