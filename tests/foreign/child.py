"""An engine, or services, in a process of its own: `python -m tests.foreign.child KIND OPTIONS`."""

import json
import sys

from agentfx.cluster import EngineOptions, ServicesOptions, run_engine, run_services

if __name__ == "__main__":
    kind, text = sys.argv[1:]
    options = json.loads(text)
    if kind == "engine":
        sys.exit(run_engine(EngineOptions(**options)))
    sys.exit(run_services(ServicesOptions(**options)))
