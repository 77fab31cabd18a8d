"""Jobs that no driver waits for: somebody else of the services owns them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from agentfx._clock import Clock
from agentfx.jobs import Job
from agentfx.services._host import Host
from agentfx.services._store import Transaction

T = TypeVar("T")


class JobOwner(Protocol):
    """Keeps a record of its own, in the transactions that record what its jobs do.

    What the methods return is handed to `committed` once the transaction is.
    """

    def records_start(self, job: str) -> bool:
        """Whether a start of this job has to be on record before the job is sent."""
        ...

    def input_of(self, job: Job) -> str:
        """What a worker is given as the input of a job: at least what is on record."""
        ...

    def started(self, t: Transaction, job: str, worker: str, delivery: int) -> Any:
        """A job is about to be sent to a worker."""
        ...

    def settled(self, t: Transaction, job: str, outcome: str, worker: str) -> Any:
        """A job has its outcome; called once for each."""
        ...

    def committed(self, afters: Sequence[Any]) -> None:
        """What was returned above, without the Nones, is on record now."""
        ...


class Jobs(Protocol):
    """What an owner needs of dispatch; called on the loop of the services."""

    @property
    def host(self) -> Host:
        """The engine."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    def own(self, run_no: int, owner: JobOwner) -> None:
        """Jobs of this run belong to somebody."""
        ...

    def submit(self, jobs: Sequence[tuple[int, Job]]) -> None:
        """Run jobs that are on record as open."""
        ...

    def drop(self, jobs: Sequence[str]) -> None:
        """Stop jobs that are on record as cancelled."""
        ...

    def done(self, starts: Sequence[str]) -> None:
        """Their jobs are on record as done, before their workers say so."""
        ...

    def write(self, operation: Callable[[Transaction], T]) -> Awaitable[T]:
        """See `Store.write`: after all that is to go on record about jobs so far."""
        ...
