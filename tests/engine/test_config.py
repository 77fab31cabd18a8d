from pathlib import Path
from typing import Any

import pytest
import yaml

from agentfx.engine import ConfigError, EngineConfig, load_config
from agentfx.services.queue import QueueConfig, QueueSettings
from agentfx.services.state import StateSettings

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def load(path: Path, text: str, **environ: str) -> EngineConfig:
    path.write_text(text)
    return load_config(path, environ)


def worker(path: Path, name: str, config: Any, **environ: str) -> EngineConfig:
    return load(path, yaml.safe_dump({"workers": [{"name": name, "config": config}]}), **environ)


def test_the_file_at_the_top_is_one() -> None:
    config = load_config(ROOT / "config.yaml", {})
    assert (config.host, config.port) == ("127.0.0.1", 49134)
    assert config.state == StateSettings()
    assert config.queue is not None
    assert config.queue.queue_configs == {
        "jobs": QueueConfig(max_retries=3, concurrency=4, backoff_ms=200),
        "ledger": QueueConfig(type="fifo", message_group_field="account"),
    }
    assert load_config(ROOT / "config.yaml", {"III_PORT": "5000"}).port == 5000


@pytest.mark.parametrize("text", ["", "workers: []", "{}"])
def test_what_is_not_listed_is_not_wanted(path: Path, text: str) -> None:
    assert load(path, text) == EngineConfig("127.0.0.1", 49134, None, None)


def test_every_known_key(path: Path) -> None:
    saving = {"store_method": "file_based", "file_path": "x", "save_interval_ms": 5}
    listener = worker(path, "iii-worker-manager", {"host": "::1", "port": 0})
    assert (listener.host, listener.port) == ("::1", 0)
    adapter = {"name": "fs", "config": {"directory": "d"}}
    worker(path, "configuration", {"adapter": adapter})
    for name in ("iii-engine-functions", "iii-observability", "iii-telemetry"):
        worker(path, name, {})
    state = {
        "adapter": {"name": "kv", "config": saving},
        "save_interval_ms": 5,
        "max_value_bytes": 10,
        "triggers_enabled": False,
    }
    assert worker(path, "iii-state", state).state == StateSettings(10, triggers_enabled=False)
    named = {
        "max_retries": 1,
        "concurrency": 2,
        "type": "fifo",
        "message_group_field": "g",
        "backoff_ms": 3,
        "poll_interval_ms": 4,
    }
    topics = {
        **saving,
        "max_attempts": 5,
        "backoff_ms": 6,
        "concurrency": 7,
        "poll_interval_ms": 8,
        "mode": "fifo",
    }
    queue = {"queue_configs": {"q": named}, "adapter": {"name": "builtin", "config": topics}}
    assert worker(path, "iii-queue", queue).queue == QueueSettings(
        {"q": QueueConfig(1, 2, "fifo", "g", 3)}, 5, 6, 7, "fifo"
    )


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("wokers: []", ["unknown key `wokers`", "known keys: workers"]),
        ("workers: 5", ["workers", "list"]),
        ("workers: [5]", ["workers[0]: `key: value` pairs are expected"]),
        ("just words", [": `key: value` pairs are expected"]),
        ("!!python/object/apply:os.abort []", ["not YAML", "os.abort"]),
        ("workers: [{}]", ["workers[0]"]),
        ("workers: [{name: redis}]", ["workers[0]", "redis", "iii-queue"]),
        (
            "workers: [{name: iii-state, confg: {}}]",
            ["workers[0] (iii-state)", "`confg`", "known keys: config, name"],
        ),
        (
            "workers: [{name: iii-queue, config: {queue_configs: {a: {max_retires: 3}}}}]",
            [
                "workers[0] (iii-queue).config.queue_configs.a",
                "`max_retires`",
                "backoff_ms, concurrency, max_retries, message_group_field",
            ],
        ),
        (
            "workers: [{name: iii-queue, config: {queue_configs: {a: {type: fifo}}}}]",
            ["queue_configs.a", "message_group_field"],
        ),
        (
            "workers: [{name: iii-queue, config: {queue_configs: {a: {concurrency: 0}}}}]",
            ["queue_configs.a.concurrency", "greater than or equal to 1"],
        ),
        (
            "workers: [{name: iii-queue, config: {adapter: {name: redis}}}]",
            ["adapter.name", "builtin"],
        ),
        (
            "workers: [{name: iii-worker-manager, config: {port: '1'}}]",
            ["config.port", "integer"],
        ),
        ("workers: [{name: iii-worker-manager, config: {port: 70000}}]", ["config.port"]),
        ("workers: [{name: iii-worker-manager, config: {rbac: {}}}]", ["`rbac`", "host, port"]),
        ("workers: [{name: iii-telemetry, config: {enabled: true}}]", ["`enabled`", "none"]),
        ("workers: [{name: iii-state, config: {triggers_enabled: 1}}]", ["triggers_enabled"]),
        ("workers: [{name: iii-state}, {name: iii-state}]", ["iii-state", "twice"]),
        ("workers: [", ["not YAML"]),
        ("workers: [{name: iii-worker-manager, config: {host: '${HOST}'}}]", ["HOST", "not set"]),
    ],
)
def test_anything_else_is_an_error_that_says_where(
    path: Path, text: str, complaints: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        load(path, text)
    assert str(path) in str(error.value)
    for complaint in complaints:
        assert complaint in str(error.value)


def test_every_error_is_told_at_once(path: Path) -> None:
    text = "workers: [{name: iii-state, config: {a: 1, b: 2}}, {name: iii-queue, config: {c: 3}}]"
    with pytest.raises(ConfigError) as error:
        load(path, text)
    assert len(str(error.value).splitlines()) == 2
    for name in "abc":
        assert f"`{name}`" in str(error.value)


def test_a_missing_file_is_an_error(path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path)


@pytest.mark.parametrize(
    ("value", "environ", "host"),
    [
        ("${HOST:a}", {}, "a"),
        ("${HOST:a}", {"HOST": "b"}, "b"),
        ("${HOST}", {"HOST": "b"}, "b"),
        ("x-${HOST:}-${OTHER:1}", {}, "x--1"),
        ("$HOST", {"HOST": "b"}, "$HOST"),
        ("${HOST:{a: b}", {}, "{a: b"),
    ],
)
def test_variables(path: Path, value: str, environ: dict[str, str], host: str) -> None:
    assert worker(path, "iii-worker-manager", {"host": value}, **environ).host == host


def test_a_variable_may_stand_for_a_number_or_a_switch(path: Path) -> None:
    assert worker(path, "iii-worker-manager", {"port": "${PORT:1}"}, PORT="2").port == 2
    switch = {"triggers_enabled": "${SWITCH:false}"}
    assert worker(path, "iii-state", switch).state == StateSettings(triggers_enabled=False)
    with pytest.raises(ConfigError, match="integer"):
        worker(path, "iii-worker-manager", {"port": "${PORT:x}"})
