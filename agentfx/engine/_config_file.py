"""What a configuration file may hold, as models that know nothing else."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from agentfx.engine._config import EngineConfig
from agentfx.engine._errors import ConfigError
from agentfx.services.queue import QueueConfig, QueueSettings
from agentfx.services.state import StateSettings
from agentfx.wire import Json, is_array, is_object

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")


def parse(path: Path, environ: Mapping[str, str]) -> EngineConfig:
    """See `load_config`."""
    try:
        raw: Json = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {_in_one_line(error)}") from error
    try:
        return _config(_File.model_validate(_expanded(raw or {}, path, environ)))
    except ValidationError as error:
        lines = [_explained(detail) for detail in error.errors()]
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, value: Any) -> Any:
        if not is_object(value):
            return value
        unknown = sorted(str(key) for key in value if key not in cls.model_fields)
        if unknown:
            known = ", ".join(sorted(cls.model_fields)) or "none"
            raise PydanticCustomError(
                "unknown_key",
                "unknown key `{key}`; known keys: {known}",
                {"key": "`, `".join(unknown), "known": known},
            )
        return value


class _Nothing(_Section):
    """Of workers that have nothing to configure here."""


_Name: TypeAlias = Annotated[str, Field(min_length=1)]
_Count: TypeAlias = Annotated[int, Field(ge=0)]
_AtLeastOne: TypeAlias = Annotated[int, Field(ge=1)]


class _Listener(_Section):
    host: _Name = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 49134


class _Directory(_Section):
    directory: str = "./config"


class _FileAdapter(_Section):
    name: Literal["fs"] = "fs"
    config: _Directory = _Directory()


class _Configuration(_Section):
    adapter: _FileAdapter = _FileAdapter()


class _Saving(_Section):
    # Where and when iii saves; everything is kept in the engine's own store here.
    store_method: Literal["in_memory", "file_based"] = "in_memory"
    file_path: str | None = None
    save_interval_ms: _AtLeastOne | None = None


class _KvAdapter(_Section):
    name: Literal["kv"] = "kv"
    config: _Saving = _Saving()


class _State(_Section):
    adapter: _KvAdapter = _KvAdapter()
    save_interval_ms: _AtLeastOne | None = None
    max_value_bytes: _AtLeastOne | None = None
    triggers_enabled: bool = True


class _NamedQueue(_Section):
    max_retries: _Count = 3
    concurrency: _AtLeastOne = 10
    type: Literal["standard", "fifo"] = "standard"
    message_group_field: _Name | None = None
    backoff_ms: _Count = 1000
    poll_interval_ms: _AtLeastOne | None = None

    @model_validator(mode="after")
    def _fifo_has_groups(self) -> "_NamedQueue":
        if self.type == "fifo" and self.message_group_field is None:
            raise PydanticCustomError("no_group", "a fifo queue needs `message_group_field`")
        return self


class _Topics(_Saving):
    max_attempts: _AtLeastOne = 3
    backoff_ms: _Count = 1000
    concurrency: _Count = 10
    poll_interval_ms: _AtLeastOne | None = None
    mode: Literal["concurrent", "fifo"] = "concurrent"


class _QueueAdapter(_Section):
    name: Literal["builtin"] = "builtin"
    config: _Topics = _Topics()


class _Queue(_Section):
    queue_configs: dict[str, _NamedQueue] = {}
    adapter: _QueueAdapter = _QueueAdapter()


class _ListenerEntry(_Section):
    name: Literal["iii-worker-manager"]
    config: _Listener = _Listener()


class _ConfigurationEntry(_Section):
    name: Literal["configuration"]
    config: _Configuration = _Configuration()


class _StateEntry(_Section):
    name: Literal["iii-state"]
    config: _State = _State()


class _QueueEntry(_Section):
    name: Literal["iii-queue"]
    config: _Queue = _Queue()


class _OtherEntry(_Section):
    name: Literal["iii-engine-functions", "iii-observability", "iii-telemetry"]
    config: _Nothing = _Nothing()


_Entry: TypeAlias = Annotated[
    _ListenerEntry | _ConfigurationEntry | _StateEntry | _QueueEntry | _OtherEntry,
    Field(discriminator="name"),
]


class _File(_Section):
    workers: list[_Entry] = []

    @model_validator(mode="after")
    def _each_once(self) -> "_File":
        names = [entry.name for entry in self.workers]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "twice", "worker `{name}` is listed twice", {"name": name}
                )
        return self


def _config(file: _File) -> EngineConfig:
    listener, state, queue = _Listener(), None, None
    for entry in file.workers:
        if isinstance(entry, _ListenerEntry):
            listener = entry.config
        elif isinstance(entry, _StateEntry):
            state = _state_settings(entry.config)
        elif isinstance(entry, _QueueEntry):
            queue = _queue_settings(entry.config)
    return EngineConfig(listener.host, listener.port, state, queue)


def _state_settings(section: _State) -> StateSettings:
    limit = section.max_value_bytes or StateSettings().max_value_bytes
    return StateSettings(limit, section.triggers_enabled)


def _queue_settings(section: _Queue) -> QueueSettings:
    topics = section.adapter.config
    return QueueSettings(
        {
            name: QueueConfig(
                queue.max_retries,
                queue.concurrency,
                queue.type,
                queue.message_group_field,
                queue.backoff_ms,
            )
            for name, queue in section.queue_configs.items()
        },
        topics.max_attempts,
        topics.backoff_ms,
        topics.concurrency,
        topics.mode,
    )


def _expanded(value: Json, path: Path, environ: Mapping[str, str]) -> Json:
    if is_object(value):
        return {key: _expanded(item, path, environ) for key, item in value.items()}
    if is_array(value):
        return [_expanded(item, path, environ) for item in value]
    if not isinstance(value, str) or not _VARIABLE.search(value):
        return value

    def looked_up(match: re.Match[str]) -> str:
        default: str | None = match[2]
        found = environ.get(match[1], default)
        if found is None:
            raise ConfigError(f"{path}: the variable {match[1]} is not set and has no default")
        return found

    text = _VARIABLE.sub(looked_up, value)
    # A variable that is the whole value may stand for a number or a switch.
    return _scalar(text) if _VARIABLE.fullmatch(value) else text


def _scalar(text: str) -> Json:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch("-?[0-9]{1,18}", text) else text


def _in_one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return str(error).splitlines()[0]


def _explained(detail: ErrorDetails) -> str:
    place, after_index = "", False
    for part in detail["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif after_index:
            place += f" ({part})"  # which worker it is, found by its name
        else:
            place += f".{part}" if place else part
        after_index = isinstance(part, int)
    no_keys = detail["type"] in ("model_type", "model_attributes_type", "dict_type")
    text = "`key: value` pairs are expected here" if no_keys else detail["msg"]
    return f"{place}: {text}" if place else text
