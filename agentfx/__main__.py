"""`python -m agentfx`: the command line."""

from agentfx.cli import main

main()
