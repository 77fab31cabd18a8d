"""Identities: stores and workers remember them, so they can never change."""

from agentfx.jobs import chance, delivery_of, job_id, start_id
from agentfx.jobs._ids import call_key, new_run_id


def test_ids_stay_what_they_are() -> None:
    assert job_id("run", "3/17/2", 1) == "e4005ff12e3b8b90ee0792bc4a30d334#1"
    assert start_id(job_id("run", "1", 2), 3).endswith("#2/3")


def test_a_job_is_its_run_path_and_attempt() -> None:
    ids = {
        job_id(run, path, attempt)
        for run in ("r", "r1")
        for path in ("1", "11", "1/1")
        for attempt in (1, 2)
    }
    assert len(ids) == 12
    assert job_id("r", "1", 1) in ids


def test_attempts_of_a_call_share_its_key() -> None:
    first, second = job_id("r", "1", 1), job_id("r", "1", 2)
    assert first.partition("#")[0] == second.partition("#")[0] == call_key("r", "1")


def test_a_start_knows_its_delivery() -> None:
    assert delivery_of(start_id(job_id("r", "1/2", 3), 10)) == 10


def test_jitter_is_the_jobs_own() -> None:
    found = [chance(job_id("r", str(n), 1)) for n in range(1000)]
    assert found == [chance(job_id("r", str(n), 1)) for n in range(1000)]
    assert all(0 <= one < 1 for one in found)
    assert 0.45 < sum(found) / len(found) < 0.55


def test_run_ids_follow_time() -> None:
    assert new_run_id(1_700_000_000.25, "abcdefgh") == "20231114T221320.250-abcdef"
    assert new_run_id(1_700_000_000.0, "zzzzzz") < new_run_id(1_700_000_000.001, "aaaaaa")
