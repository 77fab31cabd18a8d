"""The durable agent: a log is the truth, and its steps are jobs. The loop is the queue."""

from agentfx.harness._agent import Agent as Agent
from agentfx.harness._agent import remake_agent as remake_agent
from agentfx.harness._claude import ClaudeModel as ClaudeModel
from agentfx.harness._driver import ModelFailed as ModelFailed
from agentfx.harness._driver import Thinks as Thinks
from agentfx.harness._driver import converse as converse
from agentfx.harness._driver import thinking as thinking
from agentfx.harness._event import LogEvent as LogEvent
from agentfx.harness._model import Attempt as Attempt
from agentfx.harness._model import Model as Model
from agentfx.harness._model import ModelError as ModelError
from agentfx.harness._model import Prices as Prices
from agentfx.harness._model import Reply as Reply
from agentfx.harness._model import Usage as Usage
from agentfx.harness._policy import Limits as Limits
from agentfx.harness._policy import Retry as Retry
from agentfx.harness._policy import Window as Window
from agentfx.harness._remote_call import call_function as call_function
from agentfx.harness._request import Block as Block
from agentfx.harness._request import Request as Request
from agentfx.harness._session import NotDurableError as NotDurableError
from agentfx.harness._session import Session as Session
from agentfx.harness._session import SessionError as SessionError
from agentfx.harness._session import Status as Status
from agentfx.harness._session import attach as attach
from agentfx.harness._session import open as open  # noqa: A004 - `harness.open`
from agentfx.harness._stub import ScriptedModel as ScriptedModel
from agentfx.harness._stub import StubModel as StubModel
from agentfx.harness._stub import results_of as results_of
from agentfx.harness._stub import text as text
from agentfx.harness._stub import tool_use as tool_use
from agentfx.harness._tool import Remote as Remote
from agentfx.harness._tool import Tool as Tool
from agentfx.harness._tool import approved as approved
