"""The iii wire protocol: message types and codec, without I/O."""

from agentfx.wire._json import Json as Json
