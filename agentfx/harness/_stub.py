"""Models without a model: for proofs, demonstrations and tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agentfx._clock import SystemClock
from agentfx.harness._event import LogEvent, answers_in
from agentfx.harness._model import Attempt, ModelError, Prices, Reply, Usage
from agentfx.harness._request import Block, Request, canonical

Answer = Callable[[Request], Sequence[Block]]


def text(words: str) -> Block:
    """A block of text."""
    return {"type": "text", "text": words}


def tool_use(name: str, call_id: str | None = None, /, **arguments: Any) -> Block:
    """A tool call."""
    return {"type": "tool_use", "id": call_id or f"call_{name}", "name": name, "input": arguments}


@dataclass(frozen=True)
class StubModel:
    """A model that answers by rule, at once: the scripted one for proofs.

    Attributes:
        answer: From a request to the blocks of an answer; it travels to workers by value.
        seconds: How long it thinks; aborted like a real one.
        name: For the log.
        prices: For proofs about money: a token for every four characters.
    """

    answer: Answer
    seconds: float = 0.0
    name: str = "stub"
    prices: Prices | None = None

    def settings(self) -> Mapping[str, Any]:
        """See `Model.settings`."""
        prices = None if self.prices is None else asdict(self.prices)
        return {"name": self.name, "max_tokens": 1000, "prices": prices}

    async def complete(self, request: Request, attempt: Attempt) -> Reply:
        """See `Model.complete`."""
        size = sum(len(canonical(b)) for m in request.messages[-2:] for b in m.content)
        attempt.usage = Usage(input=size // 4)
        if self.seconds:
            await SystemClock().sleep(self.seconds)
        content = tuple(with_ids(self.answer(request), request))
        for block in content:
            if block["type"] == "text":
                attempt.show({"type": "text", "text": block["text"]})
        return Reply(content, stop_reason_of(content), Usage(size // 4, output=20))


@dataclass(frozen=True)
class ScriptedModel:
    """A model that reads its answers from a list: the n-th answer of a session is the n-th.

    Which one is next is seen from the request, so that a killed worker changes nothing.

    Attributes:
        answers: Blocks of each answer, or an error to raise.
    """

    answers: Sequence[Sequence[Block] | ModelError]
    name: str = "scripted"
    stops: Mapping[int, str] = field(default_factory=dict[int, str])

    def settings(self) -> Mapping[str, Any]:
        """See `Model.settings`."""
        return {"name": self.name, "max_tokens": 1000}

    async def complete(self, request: Request, attempt: Attempt) -> Reply:
        """See `Model.complete`."""
        number = sum(message.role == "assistant" for message in request.messages)
        if number >= len(self.answers):
            raise ModelError("script", f"the script has {len(self.answers)} answers, not more")
        answer = self.answers[number]
        if isinstance(answer, ModelError):
            raise answer
        content = tuple(with_ids(answer, request))
        return Reply(content, self.stops.get(number, stop_reason_of(content)), Usage(10, output=10))

    def assert_complete(self, answered: int | Sequence[LogEvent]) -> None:
        """Check that the whole script was used.

        Args:
            answered: The log of the session, or how many answers it has.

        Raises:
            AssertionError: It was not.
        """
        count = answers_in(answered)
        if count < len(self.answers):
            raise AssertionError(
                f"{count} of {len(self.answers)} answers were used; the next would be "
                f"{self.answers[count]!r}"
            )
        if count > len(self.answers):
            raise AssertionError(f"{count} answers came, the script has {len(self.answers)}")


def stop_reason_of(content: Sequence[Block]) -> str:
    """The stop reason that blocks would come with."""
    calls = any(block["type"] == "tool_use" for block in content)
    return "tool_use" if calls else "end_turn"


def with_ids(content: Sequence[Block], request: Request) -> list[Block]:
    """Blocks whose calls have ids that no earlier call has, the same for the same request."""
    if stop_reason_of(content) != "tool_use":
        return list(content)
    earlier = sum(b["type"] == "tool_use" for m in request.messages for b in m.content)
    found: list[Block] = []
    for block in content:
        if block["type"] == "tool_use" and str(block["id"]).startswith("call_"):
            earlier += 1
            found.append({**block, "id": f"call_{earlier}"})
        else:
            found.append(block)
    return found


def results_of(request: Request) -> list[str]:
    """The results of calls since the last text of a user, oldest first."""
    found: list[str] = []
    for message in reversed(request.messages):
        if message.role == "user":
            results = [str(b["content"]) for b in message.content if b["type"] == "tool_result"]
            if not results:
                break
            found = results + found
    return found
