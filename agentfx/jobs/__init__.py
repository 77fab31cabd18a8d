"""What a job is, who runs it now, and what a lost worker means; without I/O."""

from agentfx.jobs._ids import call_key as call_key
from agentfx.jobs._ids import chance as chance
from agentfx.jobs._ids import declared_key as declared_key
from agentfx.jobs._ids import job_id as job_id
from agentfx.jobs._ids import new_run_id as new_run_id
from agentfx.jobs._ids import start_id as start_id
