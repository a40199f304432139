"""A route of an address that OpenAI has too: it is for clients that say that they speak Anthropic's dialect."""

from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from api.anthropic.dialect import MARK


class AnthropicRoute(APIRoute):
    def matches(self, scope: Scope) -> tuple[Match, dict[str, Any]]:
        if not any(header == MARK for header, _ in scope.get("headers", ())):
            return Match.NONE, {}
        match, child = super().matches(scope)
        return match, dict(child)
