"""`mlxq launch`: finds the server and the model, and becomes an agent that uses them. It does not know agents."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from config.settings import Settings
from mlxq.cli.agents import AGENTS, Target
from mlxq.cli.server import Missing, ModelFacts, Problem, Server, model_path
from mlxq.cli.table import show
from mlxq.launch.roots import environment

#: Where no key is needed, agents want one all the same.
_ANY_KEY = "any"
#: Tokens of the first prompts of most agents, with room for an answer.
_SMALL = 16_384


def launch(
    server: Server,
    settings: Settings,
    name: str | None,
    arguments: Sequence[str],
    *,
    model: str | None,
    shown: bool,
    with_key: bool,
) -> None:
    """Returns only if nothing is started. Raises Problem.

    `name`: of the agent; None lists them. `shown`: what would be set is printed, with the key if `with_key`.
    """
    if name is None:
        _list()
        return
    agent = AGENTS[name]
    program = shutil.which(agent.program)
    if program is None and not shown:
        raise Problem(f"{agent.title} is not installed; `{agent.install}` installs it")
    keys = (*settings.api_keys, *settings.admin_keys)
    key = keys[0].get_secret_value() if keys else _ANY_KEY
    setup = agent.set_up(_target(server, model, key, settings.data_dir / "launch"))
    variables = {**setup.variables, **_no_proxy(server.url)}
    command = [agent.program, *setup.arguments, *arguments]
    if program is None or shown:
        hidden = key if keys and not with_key else None
        print("\n".join(_lines(setup.files, variables, command, hidden)))
        return
    _write(setup.files)
    os.execve(program, command, _environment(variables))


def _list() -> None:
    rows = [
        (name, agent.title, "yes" if shutil.which(agent.program) else f"no: {agent.install}")
        for name, agent in AGENTS.items()
    ]
    show(("AGENT", "NAME", "INSTALLED"), rows)


def _target(server: Server, model: str | None, key: str, folder: Path) -> Target:
    """An agent gets the name of the default model, so that it can show which one answers."""
    try:
        facts: ModelFacts = server.ask("GET", model_path(model or "default"))
    except Missing:
        if model is None:
            raise Problem(
                "the default chat model is not installed; --model names one of `mlxq list`"
            ) from None
        raise Problem(
            f"'{model}' is not installed; `mlxq list` shows what is, `mlxq pull {model}` fetches it"
        ) from None
    name, kind, context = facts["id"], facts.get("type", "llm"), facts.get("context_length")
    if kind != "llm":
        raise Problem(f"'{name}' is no chat model, but one of the type {kind}")
    if context is not None and context < _SMALL:
        warning = f"the context of '{name}' has {context} tokens; the first prompts of most agents are longer"
        print(f"mlxq: {warning}", file=sys.stderr)
    return Target(server.url, key, model or name, context, folder)


def _write(files: Mapping[Path, str]) -> None:
    for file, content in files.items():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another agent may be reading it.
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as written:
            written.write(content)
        os.replace(written.name, file)


def _no_proxy(url: str) -> dict[str, str]:
    """Where a proxy is set for the internet, it is not meant for this server."""
    if not any(
        os.environ.get(name) for proxy in ("http_proxy", "all_proxy") for name in (proxy, proxy.upper())
    ):
        return {}
    host = urlsplit(url).hostname or ""
    return {name: ",".join(filter(None, (os.environ.get(name), host))) for name in ("no_proxy", "NO_PROXY")}


def _environment(variables: Mapping[str, str | None]) -> dict[str, str]:
    left = {name: value for name, value in environment().items() if name not in variables}
    return left | {name: value for name, value in variables.items() if value is not None}


def _lines(
    files: Mapping[Path, str],
    variables: Mapping[str, str | None],
    command: Sequence[str],
    hidden: str | None,
) -> Iterator[str]:
    """Lines of a shell that do the same. Instead of the key `hidden` there is a remark."""
    for file, content in files.items():
        yield f"mkdir -p {shlex.quote(str(file.parent))}"
        yield f"cat > {shlex.quote(str(file))} <<'END'\n{content}END"
    for name, value in variables.items():
        if value is None:
            yield f"unset {name}"
        elif value == hidden:
            yield f"# export {name}=... (a key of the server; --with-key shows it)"
        else:
            yield f"export {name}={shlex.quote(value)}"
    yield shlex.join(command)
