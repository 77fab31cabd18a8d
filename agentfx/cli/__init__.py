"""A terminal: the layers are wired together here."""

from agentfx.cli import _cluster as _cluster
from agentfx.cli import _contracts as _contracts
from agentfx.cli import _demo as _demo
from agentfx.cli import _harness as _harness
from agentfx.cli import _info as _info
from agentfx.cli import _notebook as _notebook
from agentfx.cli import _runs as _runs
from agentfx.cli._app import app as app
from agentfx.cli._app import main as main
