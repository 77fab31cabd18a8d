"""The public names, as literal lists: every change of the interface shows in a diff."""

import importlib
from types import ModuleType

import pytest

# fmt: off
EXPORTS: dict[str, list[str]] = {
    "agentfx": [
        "Action", "Backend", "Capability", "Cluster", "ClusterError", "ContractViolation", "Do",
        "Effect", "Err", "Event", "Exit", "Failure", "Fence", "Given", "NonDeterminismError",
        "Ok", "RemoteFailure", "Replayable", "Run", "RunCancelledError", "Schedule", "Stream",
        "Superseded", "Task", "TaskContext", "TaskError", "TimedOut", "action", "attempt",
        "cancel", "catch_all", "connect", "contract", "do", "exponential", "fail", "flat_map",
        "for_each", "for_each_par", "for_each_task", "load_ipython_extension", "local", "map_",
        "on", "provide", "prune", "remote", "resume", "retry", "run_dist", "run_dist_sync",
        "run_memory", "run_memory_sync", "runs", "sleep", "start", "step_key", "succeed", "task",
        "unload_ipython_extension",
    ],
    "agentfx.algebra": [
        "Action", "ActionCall", "AnyEffect", "AnyStream", "AnyTask", "Arriving", "Attempt",
        "Capability", "Catch", "CatchAll", "Collect", "Contract", "ContractViolation",
        "Debounced", "DirectCall", "DistEnv", "Do", "DoBlock", "Effect", "Either", "Ensuring",
        "Err", "Exit", "Fail", "Failure", "Fence", "FlatMap", "ForEach", "Given", "Guard",
        "Handler", "LIMIT_BYTES", "Leaf", "LocalOnly", "Map", "Mapped", "MemoryEnv", "Merged",
        "MethodCall", "Named", "NamedCall", "NoJsonFormError", "Node", "Of", "Ok", "Provide",
        "Published", "REMOTE_TIMEOUT_SECONDS", "RESERVED", "Reason", "RemoteCall",
        "RemoteContract", "RemoteFunction", "RemoteJob", "Replayable", "Retry", "Schedule",
        "Sleep", "Stage", "Stream", "Succeed", "Superseded", "Switched", "Taken",
        "Task", "TaskCall", "TaskContext", "TaskError", "TimedOut", "Timeout", "Use", "Wire",
        "Zip", "action", "attempt", "brief", "catch_all", "decode_outcome",
        "decode_remote", "decode_value", "do", "encode_err", "encode_ok", "encode_remote",
        "encode_value", "exponential", "fail", "failure_schemas", "fingerprint", "flat_map",
        "for_each", "for_each_par", "for_each_task", "is_task", "map_", "name_of", "on",
        "provide", "retry", "sized_text", "sleep", "stages_of", "succeed", "task", "task_named",
        "tasks",
    ],
    "agentfx.contracts": [
        "Boolean", "Change", "Date", "DateTime", "ExactlyOne", "GenError", "Given", "Integer",
        "Known", "Model", "Nothing", "Number", "RemoteFailure", "Time", "TypedContract", "Unique",
        "Uuid", "brief_fields", "brief_type", "compare", "multiple_of", "one_of_values",
        "published_in", "read_registry", "remote", "typed_remote", "write_module",
    ],
    "agentfx.harness": [
        "Agent", "Attempt", "Block", "Cassette", "CassetteError", "CassetteModel", "ClaudeModel",
        "Comparison", "Limits", "LogEvent", "Model", "ModelError", "ModelFailed",
        "NotDurableError", "Prices", "Reply", "Request", "Retry", "ScriptedModel", "Session",
        "SessionError", "Status", "StubModel", "Thinks", "Tool", "Usage", "Window", "approved",
        "argument_problems", "attach", "compare", "converse", "log_rows", "open", "remake_agent",
        "results_of", "text", "text_of", "thinking", "tool_use",
    ],
    "agentfx.interpreters": [
        "Ask", "Backend", "BackendError", "BackendLostError", "JobState", "JournalStep",
        "Listener", "NestedLoopError", "NoStubError", "NoWorkerError", "NonDeterminismError",
        "Observer", "OpenedRun", "OpenedStep", "OtherProgramError", "RedrivenError", "Run",
        "RunCancelledError", "RunDriver", "RunEnd", "RunEndedError", "RunInsideTaskError",
        "RunPage", "RunRequest", "RunState", "ServiceError", "SettledJob", "Stubs",
        "SupersededError", "TooManyStepsError", "ValueNotStorableError", "admit",
        "asking", "caller_loop", "dumps", "execute", "is_importable", "let_ask",
        "outcome_recorded", "run_events", "run_memory", "run_memory_sync", "run_sync", "said_by_us",
        "step_key", "thread_started", "without_own_frames",
    ],
    "agentfx.testing": [
        "Alone", "ExitsDifferError", "InMemoryBackend", "RunBoth", "backend_laws",
        "both_interpreters", "double",
    ],
}
# fmt: on


def _public(name: str) -> list[str]:
    """What `from name import …` offers, submodules aside."""
    package = importlib.import_module(name)
    return sorted(found for found in dir(package) if _is_public(package, found))


def _is_public(package: ModuleType, name: str) -> bool:
    value = getattr(package, name)
    own = isinstance(value, ModuleType) and value.__name__ == f"{package.__name__}.{name}"
    return not name.startswith("_") and not own


@pytest.mark.parametrize("package", EXPORTS)
def test_the_public_names(package: str) -> None:
    assert _public(package) == EXPORTS[package]
