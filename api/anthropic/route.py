"""What Anthropic's routes have in common; and a route of an address that OpenAI has too."""

from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from api.anthropic.dialect import MARK


async def named(request: Request) -> None:
    """Anthropic's clients look for the id of a request in another header."""
    request.state.id_header = "request-id"


class AnthropicRoute(APIRoute):
    """For clients that say that they speak Anthropic's dialect."""

    def matches(self, scope: Scope) -> tuple[Match, dict[str, Any]]:
        if not any(header == MARK for header, _ in scope.get("headers", ())):
            return Match.NONE, {}
        match, child = super().matches(scope)
        return match, dict(child)
