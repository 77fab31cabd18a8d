"""Identities: what may never change, because stores and workers remember it.

    job   = H(run, path) # attempt      start = job / delivery

A path numbers the durable steps of a scope, `3/17/2`: the second step of item 17 of the
fan-out that is step 3. The idempotency key is only handed to a task; nothing is joined by it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b


def call_key(run: str, path: str) -> str:
    """Identity of one call of a task, the same in all its attempts."""
    return blake2b(f"{run}\0{path}".encode(), digest_size=16).hexdigest()


def identity_of(run: str, life: int) -> str:
    """A run in one of its lives: jobs of an earlier one may still run, so later ones differ."""
    return f"{run}~{life}" if life else run


SHARED_FENCES = "agentfx-fence"
"""Scope of the state where fences lie that have a name; they outlive every run."""


def fence_scope(identity: str) -> str:
    """Scope of the state where a run keeps its own fences; it goes with the run."""
    return f"{SHARED_FENCES}/{blake2b(identity.encode(), digest_size=16).hexdigest()}"


def job_id(run: str, path: str, attempt: int) -> str:
    """Identity of one attempt of a call: what is queued, run and recorded."""
    return f"{call_key(run, path)}#{attempt}"


def start_id(job: str, delivery: int) -> str:
    """Identity of one hand-over of a job to a worker."""
    return f"{job}/{delivery}"


def delivery_of(start: str) -> int:
    """Which hand-over of its job a start is."""
    return int(start.rpartition("/")[2])


def declared_key(task: str, values: Sequence[str]) -> str:
    """The idempotency key made of the parameters that a task declared as its key."""
    return blake2b("\0".join((task, *values)).encode(), digest_size=16).hexdigest()


def chance(job: str) -> float:
    """A number in [0, 1) that is the same whenever this job is looked at: for jitter."""
    return int.from_bytes(blake2b(job.encode(), digest_size=6).digest()) / 2**48


def new_run_id(wall: float, entropy: str) -> str:
    """A time-ordered run id, such as `20261123T091455.123-4f3a9c`."""
    moment = datetime.fromtimestamp(wall, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}-{entropy[:6]}"
