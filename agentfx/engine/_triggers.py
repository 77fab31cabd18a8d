"""Triggers: parked until their type has a provider, bound to it then."""

from agentfx.engine._actions import AcceptTrigger, Action, Actions, After, Bind, Send, Unbind
from agentfx.engine._calls import answered, call_from_host
from agentfx.engine._state import Connection, Key, State, Trigger, TriggerType
from agentfx.services._host import DEFAULT_NAMESPACE, Binding, FunctionError
from agentfx.wire import (
    ErrorBody,
    InvokeFunction,
    Json,
    RegisterTrigger,
    RegisterTriggerType,
    RegistrationRejected,
    TriggerRegistrationResult,
    UnregisterTrigger,
    UnregisterTriggerType,
)

ACCEPT_SECONDS = 10.0
WORKERS_AVAILABLE = "engine::workers-available"
FUNCTIONS_AVAILABLE = "engine::functions-available"


def on_register_trigger(state: State, owner: Connection, message: RegisterTrigger) -> Actions:
    """Take a trigger on for a connection."""
    for namespace in (message.namespace, message.trigger_namespace):
        if namespace is not None and not namespace.strip():
            error = ErrorBody("INVALID_NAMESPACE", "A namespace must not be blank.")
            return (
                _refused(owner.id, message.id, message.trigger_type, message.function_id, error),
            )
    trigger = Trigger(
        message.id,
        message.trigger_type,
        message.function_id,
        message.namespace or DEFAULT_NAMESPACE,
        message.config,
        message.metadata,
        message.trigger_namespace,
        owner.id,
    )
    owner.triggers[trigger.id] = None
    return add_trigger(state, trigger, owner.namespace)


def on_unregister_trigger(state: State, owner: Connection, message: UnregisterTrigger) -> Actions:
    """End a trigger of this connection, or one that no connection owns."""
    trigger = state.triggers.get(message.id)
    if trigger is None or trigger.owner not in (owner.id, None):
        return ()
    return remove_trigger(state, trigger, disconnected=False)


def on_register_type(state: State, owner: Connection, message: RegisterTriggerType) -> Actions:
    """Make a connection the provider of a type, unless somebody else is."""
    key = (message.namespace or owner.namespace, message.id)
    known = state.trigger_types.get(key)
    if known is not None and known.owner != owner.id:
        rejection = RegistrationRejected(
            RegistrationRejected.FUNCTION_CONFLICT,
            key[0],
            known.owner or "",
            function_id=message.id,
        )
        return (Send(owner.id, rejection),)
    owner.trigger_types[key] = None
    return add_type(
        state,
        TriggerType(
            *key,
            owner.id,
            message.description,
            message.trigger_request_format,
            message.call_request_format,
        ),
    )


def on_unregister_type(state: State, owner: Connection, message: UnregisterTriggerType) -> Actions:
    """A connection no longer provides a type; its triggers wait for another provider."""
    key = (message.namespace or owner.namespace, message.id)
    if owner.trigger_types.pop(key, Ellipsis) is Ellipsis:
        return ()
    return drop_type(state, key)


def on_trigger_result(
    state: State, provider: Connection, message: TriggerRegistrationResult
) -> Actions:
    """A provider accepts or refuses a trigger."""
    trigger = state.triggers.get(message.id)
    if trigger is None or trigger.provider not in provider.trigger_types:
        return ()
    return bound(state, message.id, message.error)


def bound(state: State, trigger_id: str, error: ErrorBody | None) -> Actions:
    """The verdict on a trigger; None accepts it."""
    trigger = state.triggers.get(trigger_id)
    if trigger is None:
        return ()
    awaiting, trigger.awaiting = trigger.awaiting, None
    if error is None:
        return answered(state, awaiting, {"id": trigger.id}, None) if awaiting else ()
    _forget(state, trigger)
    if awaiting:
        failure = ErrorBody("trigger_registration_failed", error.message)
        return answered(state, awaiting, None, failure)
    if trigger.owner is None:
        return ()
    return (_refused(trigger.owner, trigger.id, trigger.type, trigger.function_id, error),)


def add_trigger(state: State, trigger: Trigger, own_namespace: str) -> Actions:
    """Take a trigger on, in place of one with the same id."""
    before = state.triggers.get(trigger.id)
    replaced = () if before is None else _detach(state, before, disconnected=False)
    if before is not None and before.owner not in (trigger.owner, None):
        state.connections[before.owner].triggers.pop(trigger.id, None)
    state.triggers[trigger.id] = trigger
    provider = find_type(state, trigger, own_namespace)
    return replaced if provider is None else (*replaced, *_attach(trigger, provider))


def remove_trigger(state: State, trigger: Trigger, *, disconnected: bool) -> Actions:
    """End a trigger."""
    actions = _detach(state, trigger, disconnected=disconnected)
    _forget(state, trigger)
    return actions


def drop_triggers(state: State, gone: Connection) -> Actions:
    """End the triggers of a connection that is gone, and those that it watched for wait."""
    actions: list[Action] = []
    for trigger_id in list(gone.triggers):
        actions += remove_trigger(state, state.triggers[trigger_id], disconnected=True)
    for key in gone.trigger_types:
        actions += drop_type(state, key)
    return tuple(actions)


def find_type(state: State, trigger: Trigger, own_namespace: str) -> TriggerType | None:
    """The provider of a trigger: in the namespace it names, else in its own, else in default."""
    if trigger.wanted_namespace is not None:
        return state.trigger_types.get((trigger.wanted_namespace, trigger.type))
    own = state.trigger_types.get((own_namespace, trigger.type))
    return own or state.trigger_types.get((DEFAULT_NAMESPACE, trigger.type))


def add_type(state: State, provider: TriggerType) -> Actions:
    """Give a type a provider, and hand it the triggers that wait for one."""
    key = (provider.namespace, provider.id)
    state.trigger_types[key] = provider
    actions: list[Action] = []
    for trigger in list(state.triggers.values()):
        if trigger.type == provider.id and trigger.provider in (None, key):
            own = _namespace_of(state, trigger)
            if find_type(state, trigger, own) is provider:
                actions += _attach(trigger, provider)
    return tuple(actions)


def drop_type(state: State, key: Key) -> Actions:
    """Take a type's provider away; its triggers wait for the next one."""
    state.trigger_types.pop(key, None)
    actions: list[Action] = []
    for trigger in list(state.triggers.values()):
        if trigger.provider == key:
            trigger.provider = None
            actions += bound(state, trigger.id, None)  # parked, as if it had come too early
            other = find_type(state, trigger, _namespace_of(state, trigger))
            actions += () if other is None else _attach(trigger, other)
    return tuple(actions)


def provide_type(state: State, provider: TriggerType) -> Actions:
    """Make this process the provider of a type.

    Raises:
        FunctionError: Somebody else is.
    """
    if (provider.namespace, provider.id) in state.trigger_types:
        raise FunctionError(
            RegistrationRejected.FUNCTION_CONFLICT, f"{provider.id} has a provider already"
        )
    return add_type(state, provider)


def fire(state: State, trigger_type: str, event: Json) -> Actions:
    """Call every function that waits for an occasion which the engine itself watches for."""
    actions: list[Action] = []
    for trigger in list(state.triggers.values()):  # a function called may make or end triggers
        if trigger.type == trigger_type and trigger.provider is not None:
            actions += call_from_host(
                state,
                None,
                InvokeFunction(
                    trigger.function_id,
                    event,
                    metadata=trigger.metadata,
                    namespace=trigger.namespace,
                ),
            )
    return tuple(actions)


def watched_by_engine(provider: TriggerType) -> bool:
    """Whether the routing itself knows the occasions of a type."""
    return provider.owner is None and provider.id in (WORKERS_AVAILABLE, FUNCTIONS_AVAILABLE)


def _namespace_of(state: State, trigger: Trigger) -> str:
    owner = state.connections.get(trigger.owner or "")
    return DEFAULT_NAMESPACE if owner is None else owner.namespace


def _attach(trigger: Trigger, provider: TriggerType) -> Actions:
    trigger.provider = (provider.namespace, provider.id)
    if watched_by_engine(provider):
        return ()
    if provider.owner is None:
        return (Bind(trigger.type, _binding(trigger)),)
    message = RegisterTrigger(
        trigger.id,
        trigger.type,
        trigger.function_id,
        trigger.config,
        trigger.metadata,
        trigger.namespace,
    )
    accept = After(ACCEPT_SECONDS, AcceptTrigger(trigger.id)) if trigger.awaiting else None
    send = Send(provider.owner, message)
    return (send,) if accept is None else (send, accept)


def _detach(state: State, trigger: Trigger, *, disconnected: bool) -> Actions:
    key, trigger.provider = trigger.provider, None
    provider = None if key is None else state.trigger_types.get(key)
    if provider is None or watched_by_engine(provider):
        return ()
    if provider.owner is None:
        return (Unbind(trigger.type, _binding(trigger), disconnected),)
    return (Send(provider.owner, UnregisterTrigger(trigger.id, trigger.type)),)


def _forget(state: State, trigger: Trigger) -> None:
    del state.triggers[trigger.id]
    owner = state.connections.get(trigger.owner or "")
    if owner is not None:
        owner.triggers.pop(trigger.id, None)


def _binding(trigger: Trigger) -> Binding:
    return Binding(
        trigger.id, trigger.function_id, trigger.config, trigger.metadata, trigger.namespace
    )


def _refused(
    owner: str, trigger_id: str, trigger_type: str, function_id: str, error: ErrorBody
) -> Send:
    return Send(owner, TriggerRegistrationResult(trigger_id, trigger_type, function_id, error))
