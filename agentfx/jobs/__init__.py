"""What a job is, who runs it now, and what a lost worker means; without I/O."""

from agentfx.jobs._dispatch import Dispatch as Dispatch
from agentfx.jobs._ids import call_key as call_key
from agentfx.jobs._ids import chance as chance
from agentfx.jobs._ids import declared_key as declared_key
from agentfx.jobs._ids import job_id as job_id
from agentfx.jobs._ids import new_run_id as new_run_id
from agentfx.jobs._ids import start_id as start_id
from agentfx.jobs._job import Action as Action
from agentfx.jobs._job import Ended as Ended
from agentfx.jobs._job import Job as Job
from agentfx.jobs._job import LossKind as LossKind
from agentfx.jobs._job import Lost as Lost
from agentfx.jobs._job import OpenJob as OpenJob
from agentfx.jobs._job import Requeued as Requeued
from agentfx.jobs._job import Route as Route
from agentfx.jobs._job import Start as Start
from agentfx.jobs._job import Started as Started
from agentfx.jobs._job import Stop as Stop
from agentfx.jobs._job import task_error as task_error
from agentfx.jobs._roster import Worker as Worker
