"""Magics, panels and displays: the layers are wired together here.

Each magic is a thin shell around a function of this module, so that nothing needs IPython but
the magics themselves.
"""

from typing import Any

from agentfx.notebook._contracts import ContractDisplay as ContractDisplay
from agentfx.notebook._contracts import contract as contract
from agentfx.notebook._contracts import contracts as contracts
from agentfx.notebook._doctor import Report as Report
from agentfx.notebook._doctor import doctor as doctor
from agentfx.notebook._effect import EffectTree as EffectTree
from agentfx.notebook._effect import effect as effect
from agentfx.notebook._kit import Kit as Kit
from agentfx.notebook._kit import the_kit as the_kit
from agentfx.notebook._listings import dead_letters as dead_letters
from agentfx.notebook._listings import discard as discard
from agentfx.notebook._listings import events as events
from agentfx.notebook._listings import kill as kill
from agentfx.notebook._listings import queues as queues
from agentfx.notebook._listings import redrive as redrive
from agentfx.notebook._listings import runs as runs
from agentfx.notebook._listings import spawn as spawn
from agentfx.notebook._listings import stop as stop
from agentfx.notebook._listings import workers as workers
from agentfx.notebook._published import publish as publish
from agentfx.notebook._sessions import approve as approve
from agentfx.notebook._sessions import ask as ask
from agentfx.notebook._sessions import compare_sessions as compare_sessions
from agentfx.notebook._sessions import fork as fork
from agentfx.notebook._sessions import log as log
from agentfx.notebook._sessions import open_session as open_session
from agentfx.notebook._sessions import reject as reject
from agentfx.notebook._sessions import sessions as sessions
from agentfx.notebook._sessions import the_session as the_session
from agentfx.notebook._sessions import use_session as use_session
from agentfx.notebook._status import Status as Status
from agentfx.notebook._status import down as down
from agentfx.notebook._status import status as status
from agentfx.notebook._status import up as up


def load(shell: Any) -> None:
    """`%load_ext agentfx`.

    Raises:
        ImportError: The notebook extra is not installed where the kernel runs.
    """
    try:
        from agentfx.notebook._extension import load as load_now
    except ImportError as error:
        raise ImportError(
            f'{error}: pip install "agentfx-kit[notebook]" where this kernel runs'
        ) from None
    load_now(shell)


def unload(shell: Any) -> None:
    """`%unload_ext agentfx`."""
    from agentfx.notebook._extension import unload as unload_now

    unload_now(shell)
