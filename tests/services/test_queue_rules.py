from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfx.services._host import Binding, FunctionError
from agentfx.services._store import QueueKey, Ticket
from agentfx.services.queue import QueueSettings
from agentfx.services.queue._rules import (
    MAX_DELAY_MS,
    MAX_LOSSES,
    Policy,
    Subscription,
    after_failure,
    after_loss,
    group_of,
    rendered,
    subscription,
)

TICKET = Ticket(1, "default", "f")


@given(st.integers(1, 20), st.integers(0, 10_000), st.integers(0, 2**40))
def test_a_message_is_tried_so_often_and_no_more(attempts: int, backoff: int, now: int) -> None:
    policy, ticket, delays = Policy(attempts, backoff), TICKET, list[int]()
    for attempt in range(1, attempts + 1):
        ticket, dead = after_failure(ticket, policy, now)
        assert ticket.attempts == attempt
        assert dead == (attempt == attempts)
        delays.append(ticket.due_ms - now)
    assert delays == [min(backoff * 2**number, MAX_DELAY_MS) for number in range(attempts)]


def test_no_attempts_is_like_one() -> None:
    assert after_failure(TICKET, Policy(0, 1000), 0)[1]


def test_delays_fit_into_the_store() -> None:
    failed, _ = after_failure(Ticket(1, "d", "f", attempts=10_000), Policy(10**9, 10**6), 2**41)
    assert failed.due_ms < 2**63


def test_a_lost_worker_costs_no_attempt_but_not_for_ever() -> None:
    ticket = Ticket(1, "default", "f", attempts=2, due_ms=5)
    for losses in range(1, MAX_LOSSES + 1):
        ticket, dead = after_loss(ticket)
        assert (ticket.attempts, ticket.losses, ticket.due_ms) == (2, losses, 0)
        assert dead == (losses == MAX_LOSSES)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FunctionError("invocation_failed", "poison"),
            'ErrorBody { code: "invocation_failed", message: "poison", stacktrace: None }',
        ),
        (
            FunctionError("c", 'a "b"\n\\ \x07é', "x\ty"),
            'ErrorBody { code: "c", message: "a \\"b\\"\\n\\\\ \\u{7}é", '
            'stacktrace: Some("x\\ty") }',
        ),
    ],
)
def test_errors_are_shown_as_the_reference_shows_them(error: FunctionError, text: str) -> None:
    assert rendered(error) == text


def asked(config: Any, **settings: Any) -> Subscription:
    return subscription(Binding("t", "f", config, namespace="n"), QueueSettings(**settings))


def test_a_subscription_has_defaults() -> None:
    key = QueueKey("topic", "orders", "n", "f")
    assert asked({"topic": "orders"}) == Subscription(key, False, 10, Policy(3, 1000), None)
    assert asked({"queue": "orders", "queue_config": None, "other": 1}).key == key
    tuned = asked({"topic": "orders"}, max_attempts=5, backoff_ms=7, concurrency=2, mode="fifo")
    assert tuned == Subscription(key, True, 2, Policy(5, 7), None)


def test_a_subscription_may_say_everything() -> None:
    config = {
        "topic": "orders",
        "condition_function_id": "c",
        "queue_config": {
            "type": "fifo",
            "concurrency": 0,
            "maxRetries": 0,
            "backoffDelayMs": 0,
            "visibilityTimeout": 5,
        },
    }
    found = asked(config)
    assert (found.ordered, found.concurrency, found.policy) == (True, 0, Policy(1, 0))
    assert found.condition == "c"
    assert not asked({"topic": "t", "queue_config": {"type": "standard"}}, mode="fifo").ordered


@pytest.mark.parametrize(
    "config",
    [
        None,
        "orders",
        {},
        {"topic": ""},
        {"topic": 5},
        {"topic": "t", "condition_function_id": 5},
        {"topic": "t", "queue_config": "fifo"},
        {"topic": "t", "queue_config": {"concurrency": -1}},
        {"topic": "t", "queue_config": {"concurrency": 1.5}},
        {"topic": "t", "queue_config": {"maxRetries": True}},
        {"topic": "t", "queue_config": {"backoffDelayMs": "1"}},
    ],
)
def test_other_subscriptions_are_refused(config: Any) -> None:
    with pytest.raises(FunctionError, match="trigger_registration_failed"):
        asked(config)


def test_groups_are_told_apart_by_value_and_type() -> None:
    values: list[Any] = ["1", 1, True, [1], {"a": 1}, 0, False, ""]
    groups = [group_of({"account": value}, "account") for value in values]
    assert len(set(groups)) == len(values)
    assert group_of({"account": {"a": 1, "b": 2}}, "account") == group_of(
        {"account": {"b": 2, "a": 1}}, "account"
    )


@pytest.mark.parametrize("data", [{}, {"account": None}, "account", None, ["account"]])
def test_a_message_without_group_is_refused(data: Any) -> None:
    with pytest.raises(FunctionError, match="account"):
        group_of(data, "account")
