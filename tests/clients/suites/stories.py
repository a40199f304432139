"""What the suites talk about: what tiny-chat was trained to answer, and a tool that it was trained to call."""

from typing import Any

CAPITAL: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER: list[Any] = [{"role": "user", "content": "What's the weather in Tokyo?"}]
WEATHER_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "maxLength": 60}},
            "required": ["location"],
            "additionalProperties": False,
        },
    },
}
