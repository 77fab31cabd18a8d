"""What drivers and workers say to the services, checked."""

from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic import Json as Text

from agentfx.jobs import Job
from agentfx.services._host import FunctionError
from agentfx.wire import Json

T = TypeVar("T")
Count: TypeAlias = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A number of rows, or of a row; SQLite has no larger one, and takes -1 for all."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A driver wants to drive a run.

    Attributes:
        driver: The driver's id; it serves `agentfx::driver::<id>`.
        fingerprint: Of the program's structure.
        program: `module:attribute`, if it has one.
        fresh: Start a known run over.
    """

    run: str
    driver: str
    fingerprint: str
    program: str | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One journaled step; see `StepRow`. `error` is for its event."""

    path: str
    what: str
    value: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A named step that holds others begins: a fan-out, a group."""

    path: str
    label: str | None = None
    task: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class PutSteps:
    """Journal steps, each once."""

    run: str
    epoch: int
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Submit:
    """Queue jobs; `opened` are the steps they stand in."""

    run: str
    epoch: int
    jobs: Text[list[Job]] = field(default_factory=list[Job])
    opened: list[Opened] = field(default_factory=list[Opened])


@dataclass(frozen=True, slots=True)
class ReadRun:
    """A page of what a run has on record."""

    run: str
    after_step: str = ""
    after_job: Count = 0
    limit_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ids:
    """Jobs of a run."""

    run: str
    epoch: int
    ids: list[str]


@dataclass(frozen=True, slots=True)
class EndRun:
    """A run has ended; see `RunRow`."""

    run: str
    epoch: int
    ok: bool
    exit: str | None = None
    failed_at: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunEpoch:
    """A run, and the epoch in which it is driven."""

    run: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Rejoin:
    """A driver still drives a run, after the services were restarted."""

    run: str
    epoch: int
    driver: str


@dataclass(frozen=True, slots=True)
class Held:
    """A start that a worker runs, or has an unconfirmed outcome of."""

    start: str
    job: str


@dataclass(frozen=True, slots=True)
class Contract:
    """A task that a worker brings: what the engine publishes of it."""

    id: str
    description: str | None = None
    request_format: Json = None
    response_format: Json = None
    errors: dict[str, Json] = field(default_factory=dict[str, Json])
    at_most_once: bool = False
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker is there, for the first time or again.

    Attributes:
        worker: Incarnation, such as `w1.7f3a`; it serves `agentfx::exec::<incarnation>`.
        label: Such as `w1`.
        host: Name of its machine.
        pid: Its process; `born` is when that started, by its machine's clock.
        home: Whose versions of drivers' code it can load, None if none.
        loaded: Tasks in code that it has loaded.
        draining: It takes nothing new.
        held: All that it runs, or has an unconfirmed outcome of.
    """

    worker: str
    label: str
    host: str
    pid: int
    born: float
    slots: int
    tasks: list[Contract]
    home: str | None = None
    loaded: list[Contract] = field(default_factory=list[Contract])
    draining: bool = False
    held: list[Held] = field(default_factory=list[Held])


@dataclass(frozen=True, slots=True)
class Brings:
    """A worker has loaded a driver's code, and with it more tasks."""

    worker: str
    tasks: list[Contract]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a start ended.

    Attributes:
        outcome: JSON text, for the driver.
        error: The failure in one line, for events; None if it succeeded.
        dead: It ended in a `TaskError`: the job is parked.
    """

    start: str
    job: str
    outcome: str
    ms: float
    error: str | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of a worker."""

    worker: str
    outcomes: Text[list[Outcome]]


@dataclass(frozen=True, slots=True)
class OutputLine:
    """What a task printed."""

    job: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """Output of a worker's tasks."""

    worker: str
    lines: list[OutputLine]


@dataclass(frozen=True, slots=True)
class WorkerName:
    """A worker, by incarnation or label."""

    worker: str


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver."""

    driver: str


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """Events after a number; waits some seconds for the first if there is none.

    Attributes:
        columns: All values of a field at once, a list for each of `EVENT_FIELDS`; none without
            events. Cheap to read: there may be thousands.
        whole: How many of the run's latest events are all there. Before them, jobs that are done
            may leave out how they began; None leaves out nothing.
    """

    run: str
    after: Count = 0
    limit: Count = 1000
    wait_seconds: float = 0.0
    columns: bool = False
    whole: int | None = None


@dataclass(frozen=True, slots=True)
class ReadOutput:
    """What tasks of a run printed after an event; waits some seconds for it if there is none.

    Attributes:
        run: Its id; it may be one that begins later.
        after: The number of an event, None for the latest.
    """

    run: str
    after: Count | None = None
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class JobName:
    """A job."""

    job: str


@dataclass(frozen=True, slots=True)
class Redrive:
    """A dead letter to run again; `code` is the version that its author has now, if any."""

    job: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """How many rows."""

    limit: Count = 1000


@dataclass(frozen=True, slots=True)
class RunName:
    """A run."""

    run: str


@dataclass(frozen=True, slots=True)
class Around:
    """A run that somebody watches; `limit` is of the dead letters."""

    run: str
    limit: Count = 50


@dataclass(frozen=True, slots=True)
class Prune:
    """Which ended runs to keep."""

    keep: int = 1000
    days: float = 7.0


@dataclass(frozen=True, slots=True)
class Serves:
    """Whether a worker is there for tasks; `code` is the version that their driver has."""

    tasks: list[str]
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Functions:
    """Functions that are no tasks."""

    functions: list[str]


def parse(kind: type[T], function_id: str, data: Json) -> T:
    """Read a message.

    Raises:
        FunctionError: `deserialization_error`: it is not one.
    """
    try:
        return _adapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise FunctionError(
            "deserialization_error",
            f"Failed to deserialize input for {function_id}: {where}: {first['msg']}",
        ) from None


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    # Keys that are not known, such as `_caller_worker_id`, are ignored.
    return _adapters.get(kind) or _adapters.setdefault(kind, TypeAdapter(kind))
