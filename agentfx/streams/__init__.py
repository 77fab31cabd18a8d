"""What streams and their fence decide; the interpreters do it."""

from agentfx.streams._claims import Claim as Claim
from agentfx.streams._claims import Verdict as Verdict
from agentfx.streams._claims import claim_operations as claim_operations
from agentfx.streams._claims import claimed as claimed
from agentfx.streams._claims import decide as decide
from agentfx.streams._claims import epoch_of as epoch_of
from agentfx.streams._claims import raise_operations as raise_operations
from agentfx.streams._claims import raised as raised
from agentfx.streams._flow import Action as Action
from agentfx.streams._flow import Arm as Arm
from agentfx.streams._flow import Begin as Begin
from agentfx.streams._flow import Disarm as Disarm
from agentfx.streams._flow import Drop as Drop
from agentfx.streams._flow import Flow as Flow
from agentfx.streams._lines import OUTRUN as OUTRUN
from agentfx.streams._lines import PREEMPTED as PREEMPTED
from agentfx.streams._lines import FenceLine as FenceLine
from agentfx.streams._lines import fence_line as fence_line
from agentfx.streams._lines import input_line as input_line
from agentfx.streams._lines import read_line as read_line
