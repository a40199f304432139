"""The protocol, by its official SDK: one exchange of a client with the tools.

This is the only module that imports the SDK, which takes half a second and 30 MB: the router imports it for the first
client. It knows the protocol; it does not know what the tools do.

Each request has a server and a manager of its own, which costs less than a millisecond. So nothing of one client
stays in a process, and any API process can answer any request.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    AudioContent,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    ResourceLink,
    TextContent,
    Tool,
    ToolAnnotations,
)
from starlette.types import Receive, Scope, Send

from api.http.answers.errors import to_error
from api.mcp.content import Content, Link, Media
from api.mcp.progress import Tell
from api.mcp.tools import TOOLS
from config import VERSION
from jobs.errors import MlxqError

# It tells of every request.
logging.getLogger("mcp").setLevel(logging.WARNING)

#: Calls a tool by its name.
Run = Callable[[str, Tell], Awaitable[list[Content]]]
#: `Host`, `Origin` and keys are checked before a request gets here.
_CHECKED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
_INSTRUCTIONS = (
    "Pictures, speech, transcripts and vectors by the models of this machine. Every call is a job in a queue. For "
    "what takes longer than your own time limit, set 'background' and ask queue_status."
)
_LISTED = [
    Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.arguments.schema,
        annotations=ToolAnnotations(
            read_only_hint=tool.reads_only, destructive_hint=False, open_world_hint=False
        ),
    )
    for tool in TOOLS.values()
]


async def exchange(run: Run, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request of a client."""

    async def list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=_LISTED)

    async def call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        if params.name not in TOOLS:
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {params.name[:64]}")
        try:
            made = await run(params.name, context.session.report_progress)
        except Exception as failure:
            return _failed(to_error(failure))
        return CallToolResult(content=[_block(each) for each in made])

    server = Server(
        "mlxq",
        version=VERSION,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    manager = StreamableHTTPSessionManager(server, stateless=True, security_settings=_CHECKED)
    async with manager.run():
        await manager.handle_request(scope, receive, send)


def _block(content: Content) -> ContentBlock:
    match content:
        case Media(kind="image"):
            return ImageContent(type="image", data=content.data, mime_type=content.content_type)
        case Media():
            return AudioContent(type="audio", data=content.data, mime_type=content.content_type)
        case Link():
            return ResourceLink(
                type="resource_link", uri=content.url, name=content.name, mime_type=content.content_type
            )
        case _:
            return TextContent(type="text", text=content.text)


def _failed(error: MlxqError) -> CallToolResult:
    """A result, and no error of the protocol: a model can read it, and call again with other arguments."""
    again = f" Try again in {error.retry_after} s." if error.retry_after else ""
    return CallToolResult(content=[TextContent(type="text", text=f"{error.message}{again}")], is_error=True)
