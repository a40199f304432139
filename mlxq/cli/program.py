"""Reads the command line, and says what went wrong in one line. A verb imports what it needs when it is called."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from config import VERSION
from mlxq.cli.agents import AGENTS
from mlxq.cli.queue_verbs import add_verbs
from mlxq.cli.serve import serve
from mlxq.cli.usage_verb import add_usage
from mlxq.cli.verbs import add_verb
from mlxq.cli.webhook_verbs import add_webhook_verbs
from mlxq.cli.worker_verbs import add_join_option, add_worker_verbs
from mlxq.launch.names import NAMES


def parser() -> argparse.ArgumentParser:
    address = argparse.ArgumentParser(add_help=False)
    # A default of the verb's would take the place of what stands before the verb.
    address.add_argument(
        "--url",
        default=argparse.SUPPRESS,
        help="address of the server; by default HOST and PORT of the environment",
    )
    program = argparse.ArgumentParser(
        prog="mlxq", description="One queue for all the AI on a Mac.", parents=[address]
    )
    program.add_argument("--version", action="version", version=f"mlxq {VERSION}")
    verbs = program.add_subparsers(dest="verb", required=True, metavar="VERB")
    one = add_verb(verbs, "serve", "start Redis, the API and the worker; Ctrl-C ends them")
    one.add_argument(
        "part", nargs="*", choices=[*NAMES, []], metavar="PART", help=f"only these: {', '.join(NAMES)}"
    )
    one.add_argument("--host", help="address to listen on, instead of HOST")
    one.add_argument("--port", type=int, help="port to listen on, instead of PORT")
    add_join_option(one)
    one = add_verb(verbs, "pull", "download a model from its hub", address)
    one.add_argument("model", help="its name on the hub, org/name")
    one.add_argument("--name", help="another name for it")
    one = add_verb(verbs, "rm", "delete a model", address)
    one.add_argument("model", help="its name, as `mlxq list` shows it")
    one.add_argument("--keep-files", action="store_true", help="remove it from the list only")
    add_verb(verbs, "list", "list the installed models; works without a server, too", address, aliases=["ls"])
    add_verb(verbs, "clear-cache", "delete the prompts that are kept on the disk; needs no server")
    one = add_verb(
        verbs,
        "launch",
        "start a coding agent that uses the server; without a name, list the agents",
        address,
        usage="mlxq launch [AGENT] [--model MODEL] [--print [--with-key]] [--url URL] [-- ARGUMENTS]",
        epilog="ARGUMENTS are those of the agent.",
    )
    one.add_argument("agent", nargs="?", choices=list(AGENTS), metavar="AGENT", help=", ".join(AGENTS))
    one.add_argument("--model", help="the chat model, instead of the server's default")
    one.add_argument(
        "--print",
        action="store_true",
        dest="shown",
        help="start nothing; print what would be set, as lines of a shell",
    )
    one.add_argument("--with-key", action="store_true", help="print the key, too")
    add_verb(verbs, "top", "show what runs and waits, live; keys change it", address)
    add_verb(verbs, "ps", "list what is in memory, and what is being downloaded", address)
    one = add_verb(verbs, "convert", "make a model of the files of GPT-SoVITS; needs no server")
    one.add_argument("family", choices=["gpt-sovits"])
    one.add_argument("folder", type=Path, help="the folder that is made, in one of the model roots")
    one.add_argument("--gpt", type=Path, required=True, help="its GPT weights, a .ckpt")
    one.add_argument("--sovits", type=Path, required=True, help="its SoVITS weights, a .pth")
    one.add_argument("--hubert", type=Path, required=True, help="the folder of chinese-hubert-base")
    one.add_argument("--bert", type=Path, required=True, help="the folder of chinese-roberta-wwm-ext-large")
    one.add_argument("--dictionary", type=Path, help="English pronunciations: its text/cmudict.rep")
    add_verbs(verbs, address)
    add_worker_verbs(verbs, address)
    add_usage(verbs, address)
    add_webhook_verbs(verbs, address)
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when something went wrong, 130 after Ctrl-C."""
    own, rest = _split(sys.argv[1:] if arguments is None else arguments)
    reading = parser()
    if not own:
        reading.print_help(sys.stderr)
        return 2
    wanted = reading.parse_args(own)
    if rest and wanted.verb != "launch":
        reading.error(f"{wanted.verb} takes no arguments behind --")
    if wanted.verb == "serve":
        serve(wanted.part, wanted.host, wanted.port, wanted.join)

    from config.settings import load_settings
    from mlxq.cli.commands import clear_cache, convert, list_models, processes, pull, remove
    from mlxq.cli.launch import launch
    from mlxq.cli.queue import actions
    from mlxq.cli.server import Problem, Server
    from mlxq.cli.usage import usage
    from mlxq.cli.webhooks import webhook_actions
    from mlxq.cli.workers import worker_actions

    def top(server: Server) -> None:
        # A library that no other verb needs.
        from mlxq.cli.top.screen import top as show

        show(server)

    settings = load_settings()
    verbs: dict[str, Callable[[Server], None]] = {
        "pull": lambda server: pull(server, wanted.model, wanted.name),
        "rm": lambda server: remove(server, wanted.model, keep_files=wanted.keep_files),
        "list": lambda server: list_models(server, settings),
        "ls": lambda server: list_models(server, settings),
        "ps": processes,
        "top": top,
        "launch": lambda server: launch(
            server,
            settings,
            wanted.agent,
            rest,
            model=wanted.model,
            shown=wanted.shown,
            with_key=wanted.with_key,
        ),
        "usage": lambda server: usage(server, wanted),
        "clear-cache": lambda _: clear_cache(settings),
        "convert": lambda _: convert(
            wanted.gpt,
            wanted.sovits,
            wanted.hubert,
            wanted.bert,
            wanted.dictionary,
            target=wanted.folder,
        ),
        **actions(wanted),
        **webhook_actions(wanted),
        **worker_actions(wanted, settings),
    }
    try:
        with Server(settings, getattr(wanted, "url", None)) as server:
            verbs[wanted.verb](server)
    except Problem as problem:
        print(f"mlxq: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The arguments before the first `--` and those behind it."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]
