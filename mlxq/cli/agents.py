"""Coding agents, and how each is told to use the server for one run. It does not know what is installed.

An agent is told by variables, by its own options and by files that it is given by an option. Its own configuration is
neither read nor changed. `docs/agents.md` has a section for each.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Tokens of an answer, where an agent wants to know: a part of the context, and at most so many.
_ANSWER, _LONGEST_ANSWER = 4, 32_000


@dataclass(frozen=True, slots=True)
class Target:
    """What an agent is to use. `url` has no `/v1`. `context`: tokens of a prompt with its answer, where it is known.

    `folder`: where the files of a setup are put.
    """

    url: str
    key: str
    model: str
    context: int | None
    folder: Path

    @property
    def v1(self) -> str:
        return f"{self.url}/v1"

    @property
    def answer(self) -> int | None:
        return None if self.context is None else min(self.context // _ANSWER, _LONGEST_ANSWER)


@dataclass(frozen=True, slots=True)
class Setup:
    """`variables`: of its environment; None removes one. `arguments`: before those of the user.

    `files`: their contents, by their paths. The key is nowhere but in `variables`.
    """

    variables: Mapping[str, str | None]
    arguments: tuple[str, ...] = ()
    files: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agent:
    """`program`: its command. `install`: a command that installs it."""

    title: str
    program: str
    install: str
    set_up: Callable[[Target], Setup]


def _claude(target: Target) -> Setup:
    # A key in ANTHROPIC_API_KEY has to be confirmed by the user once; a token does not.
    variables: dict[str, str | None] = {
        "ANTHROPIC_BASE_URL": target.url,
        "ANTHROPIC_AUTH_TOKEN": target.key,
        "ANTHROPIC_API_KEY": None,
        "ANTHROPIC_MODEL": target.model,
        "CLAUDE_CODE_SUBAGENT_MODEL": target.model,
        **{f"ANTHROPIC_DEFAULT_{size}_MODEL": target.model for size in ("OPUS", "SONNET", "HAIKU")},
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        **{f"CLAUDE_CODE_USE_{cloud}": None for cloud in ("BEDROCK", "VERTEX", "FOUNDRY")},
    }
    if target.context is not None:
        variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] = str(target.context)
        variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(target.answer)
    return Setup(variables)


def _codex(target: Target) -> Setup:
    provider = "model_providers.mlxq"
    settings: dict[str, str | int | list[str]] = {
        "model": target.model,
        "model_provider": "mlxq",
        f"{provider}.name": "mlxq",
        f"{provider}.base_url": target.v1,
        f"{provider}.wire_api": "responses",
        # With a command for the key, and not with `env_key`, it asks for the server's models.
        f"{provider}.auth.command": "printenv",
        f"{provider}.auth.args": ["MLXQ_KEY"],
    }
    if target.context is not None:
        settings["model_context_window"] = target.context
    # Its values are TOML; these of JSON are the same there.
    given = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in settings.items())
    return Setup({"MLXQ_KEY": target.key}, tuple(part for each in given for part in ("-c", each)))


def _opencode(target: Target) -> Setup:
    limit = {} if target.context is None else {"limit": {"context": target.context, "output": target.answer}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "mlxq",
        "options": {"baseURL": target.v1, "apiKey": "{env:MLXQ_KEY}"},
        "models": {target.model: {"name": target.model, **limit}},
    }
    model = f"mlxq/{target.model}"
    settings = {"model": model, "small_model": model, "provider": {"mlxq": provider}}
    return Setup({"MLXQ_KEY": target.key, "OPENCODE_CONFIG_CONTENT": json.dumps(settings)})


def _litellm(target: Target) -> dict[str, str]:
    """For agents that use LiteLLM. It would fetch a list of prices."""
    return {
        "OPENAI_API_BASE": target.v1,
        "OPENAI_API_KEY": target.key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def _aider(target: Target) -> Setup:
    variables = _litellm(target)
    model = f"openai/{target.model}"
    arguments = ("--model", model, "--no-show-model-warnings")
    if target.context is None:
        return Setup(variables, arguments)
    facts = {
        "litellm_provider": "openai",
        "mode": "chat",
        "max_input_tokens": target.context,
        "max_output_tokens": target.answer,
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
    }
    file = target.folder / "aider.json"
    return Setup(
        variables,
        (*arguments, "--model-metadata-file", str(file)),
        {file: json.dumps({model: facts}, indent=2) + "\n"},
    )


def _pi(target: Target) -> Setup:
    model = {
        "id": target.model,
        "name": target.model,
        "reasoning": False,
        "input": ["text"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": target.context or 128_000,
        "maxTokens": target.answer or _LONGEST_ANSWER,
    }
    provider = {"baseUrl": target.v1, "apiKey": "MLXQ_KEY", "api": "openai-responses", "models": [model]}
    extension = f'export default (pi) => pi.registerProvider("mlxq", {json.dumps(provider, indent=2)});\n'
    file = target.folder / "pi.js"
    options = ("--extension", str(file), "--provider", "mlxq", "--model", target.model)
    return Setup({"MLXQ_KEY": target.key}, options, {file: extension})


def _qwen(target: Target) -> Setup:
    variables = {"OPENAI_BASE_URL": target.v1, "OPENAI_API_KEY": target.key, "OPENAI_MODEL": target.model}
    return Setup(variables, ("--auth-type", "openai", "--model", target.model))


def _mini(target: Target) -> Setup:
    variables = {
        **_litellm(target),
        "MSWEA_CONFIGURED": "true",
        # It stops at a model whose price it does not know.
        "MSWEA_COST_TRACKING": "ignore_errors",
    }
    return Setup(variables, ("--model", f"openai/{target.model}"))


AGENTS = {
    "claude": Agent("Claude Code", "claude", "npm install -g @anthropic-ai/claude-code", _claude),
    "codex": Agent("Codex CLI", "codex", "npm install -g @openai/codex", _codex),
    "opencode": Agent("opencode", "opencode", "npm install -g opencode-ai", _opencode),
    "aider": Agent("aider", "aider", "uv tool install --python 3.12 aider-chat", _aider),
    "pi": Agent("pi", "pi", "npm install -g @mariozechner/pi-coding-agent", _pi),
    "qwen": Agent("Qwen Code", "qwen", "npm install -g @qwen-code/qwen-code", _qwen),
    "mini": Agent("mini-swe-agent", "mini", "uv tool install mini-swe-agent", _mini),
}
