"""Magics, panels and displays: the layers are wired together here."""

from agentfx.notebook._extension import load as load
from agentfx.notebook._extension import unload as unload
