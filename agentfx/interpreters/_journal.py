"""What a run has on record, and the check that a replay is the same program."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.algebra import (
    Attempt,
    Err,
    MethodCall,
    NoJsonFormError,
    Ok,
    decode_value,
    encode_value,
    name_of,
)
from agentfx.interpreters._backend import Backend, JournalStep, SettledJob
from agentfx.interpreters._scope import Step
from agentfx.interpreters._values import Computed, decode_step, encode_step
from agentfx.interpreters._walk import AnyExit
from agentfx.jobs import Job


class NonDeterminismError(AgentfxError):
    """A replay met another step than the one on record: the program or its inputs changed.

    Attributes:
        path: The step.
        expected: What is on record there.
        found: What the program has there now.
    """

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path, self.expected, self.found = path, expected, found

    def __str__(self) -> str:
        return (
            f"step {self.path} was {self.expected} when it ran, and is {self.found} now: run the "
            "program as it was, or start over with a new run id"
        )


class Journal:
    """Steps and job outcomes of one run, and their way to the backend.

    Args:
        backend: Where they are on record.
        run: Id of the run.
        epoch: Of this driver.
    """

    def __init__(self, backend: Backend, run: str, epoch: int) -> None:
        self._backend, self._run, self._epoch = backend, run, epoch
        self._steps: dict[str, tuple[str, str]] = {}
        self._jobs: dict[str, SettledJob] = {}

    async def load(self) -> None:
        """Read all that is on record."""
        cursor: tuple[str, int] | None = None
        while True:
            page = await self._backend.read_run(self._run, cursor)
            self._steps.update((step.path, (step.what, step.value)) for step in page.steps)
            self._jobs.update((job.id, job) for job in page.jobs)
            cursor = page.next
            if cursor is None:
                return

    def value(self, path: str, what: str) -> str | None:
        """What is on record for a step, None if nothing is.

        Raises:
            NonDeterminismError: Another step is.
        """
        recorded = self._steps.get(path)
        if recorded is None:
            return None
        if recorded[0] != what:
            raise NonDeterminismError(path, recorded[0], what)
        return recorded[1]

    def noted(self, path: str, kind: str) -> str | None:
        """The value on record for a step of a kind, which its `what` begins with.

        Raises:
            NonDeterminismError: A step of another kind is.
        """
        recorded = self._steps.get(path)
        if recorded is None:
            return None
        if not recorded[0].startswith(kind):
            raise NonDeterminismError(path, recorded[0], kind)
        return recorded[1]

    async def put(self, path: str, what: str, value: str, error: str | None = None) -> str:
        """Record a step, once; the value that won."""
        await self.put_all([JournalStep(path, what, value, error)])
        return self.value(path, what) or value

    async def put_all(self, steps: Sequence[JournalStep]) -> None:
        """Record steps, each once."""
        winners = await self._backend.put_once(self._run, self._epoch, steps)
        self._steps.update(zip((step.path for step in steps), winners, strict=True))

    def settled(self, job: Job) -> SettledJob | None:
        """What is on record for a job, None if nothing is.

        Raises:
            NonDeterminismError: Another task, or other input, is.
        """
        recorded = self._jobs.get(job.id)
        if recorded is None:
            return None
        if (recorded.task, recorded.input) != (job.task, job.input):
            raise NonDeterminismError(
                job.path, _called(recorded.task, recorded.input), _called(job.task, job.input)
            )
        return recorded


def _called(task: str, text: str) -> str:
    return f"{task}({text if len(text) <= 80 else text[:80] + '…'})"


def described(node: Computed) -> str:
    """Kind, name and input of a step that the driver computes: what a replay must meet again."""
    if isinstance(node, Attempt):
        return f"attempt {name_of(node.f)}"
    name = node.capability.__name__
    if not isinstance(node.f, MethodCall):
        return f"use {name}"
    try:
        text = encode_value([list(node.f.args), dict(node.f.kwargs)])
    except NoJsonFormError:  # compared by name alone
        return f"use {name}.{node.f.method}"
    return f"use {name}.{node.f.method} {blake2b(text.encode(), digest_size=8).hexdigest()}"


def encode_computed(step: Step, node: Computed, exit_: AnyExit) -> str:
    """The exit of a computed step, as the journal keeps it.

    Raises:
        ValueNotStorableError: Its value would not come back.
    """
    if isinstance(exit_, Ok):
        return "+" + encode_step(step, node, exit_.value)
    return "-" + encode_value(exit_.error)


def decode_computed(step: Step, node: Computed, text: str) -> AnyExit:
    """The exit that the journal keeps.

    Raises:
        ValueNotStorableError: Its class is not loaded, or it does not fit the type.
    """
    if text.startswith("+"):
        return Ok(decode_step(step, node, text[1:]))
    return Err(decode_value(text[1:]), step.path)


REPLAY = "replay"
"""The exit of a run whose value has no JSON form: it comes back by a replay of the journal."""


def encode_exit(exit_: AnyExit) -> str:
    """The exit of a run."""
    value: Any = exit_.value if isinstance(exit_, Ok) else exit_.error
    try:
        return ("+" if isinstance(exit_, Ok) else "-") + encode_value(value)
    except NoJsonFormError:
        return REPLAY


def decode_exit(text: str, failed_at: str | None = None) -> AnyExit | None:
    """The exit that `encode_exit` wrote, None if only a replay brings it back."""
    if text == REPLAY:
        return None
    try:
        value = decode_value(text[1:])
    except NoJsonFormError:  # a class that this process has not loaded
        return None
    return Ok(value) if text.startswith("+") else Err(value, failed_at)
