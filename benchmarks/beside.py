"""mlxq, `mlx_lm.server` and the bare `BatchGenerator` side by side: all three run, one at a time has work.

    python -m benchmarks.beside --model PATH [--rounds 5] [--streams 1 8 32] [--busy 2]

A round gives each of them the same wave of streams, in an order that turns, so that a machine whose speed drifts
slows all of them alike. `--busy` starts as many endless loops beside them: other programs that want the cores.
Prompts are distinct. The table has the median of each figure and the ratios pair by pair.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from benchmarks import load, model, preload
from benchmarks.bare_process import Bare, waves
from benchmarks.load import Scenario
from benchmarks.server import MLX_LM, MLXQ, Server, running

#: What a wave of a participant showed, by figure.
Figures = dict[str, float]
Wave = Callable[[Scenario, str], Figures]


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="mlxq-bench-model-") as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch) / "model"
        model.endless(args.model.resolve(), folder)
        blas = preload.environment(args.preload or preload.find())
        participants: dict[str, Wave] = {
            "mlxq": _server(stack.enter_context(running(MLXQ, folder, blas))),
            "mlx_lm.server": _server(stack.enter_context(running(MLX_LM, folder, blas))),
            "bare": _bare(stack.enter_context(waves(folder, blas))),
        }
        scenarios = [Scenario(f"stream at {n}", n, 1, args.tokens, stream=True) for n in args.streams]
        for wave in participants.values():
            wave(Scenario("warm-up", max(args.streams), 1, 8, stream=True), "warm")
        stack.enter_context(_busy(args.busy))
        rounds: dict[tuple[str, str], list[Figures]] = defaultdict(list)
        for number in range(args.rounds):
            for scenario in scenarios:
                names = list(participants)
                turn = number % len(names)
                for name in names[turn:] + names[:turn]:
                    found = participants[name](scenario, str(number))
                    rounds[scenario.name, name].append(found)
                    print(number + 1, scenario.name, name, json.dumps(found), file=sys.stderr, flush=True)
        print(f"{args.model.name}, {args.rounds} rounds, {args.busy} busy loops, {os.cpu_count()} cores")
        for scenario in scenarios:
            _report(scenario.name, {name: rounds[scenario.name, name] for name in participants})


def _server(server: Server) -> Wave:
    def wave(scenario: Scenario, seed: str) -> Figures:
        before = server.cpu_seconds()
        done = uvloop.run(load.run(server.base_url, server.model, scenario, seed))
        if done.errors:
            raise RuntimeError(f"{len(done.errors)} errors: {done.errors[0]}")
        return _short(load.figures(done)) | {"CPU s": round(server.cpu_seconds() - before, 2)}

    return wave


def _bare(bare: Bare) -> Wave:
    return lambda scenario, seed: _short(bare(scenario, seed))


@contextlib.contextmanager
def _busy(loops: int) -> Iterator[None]:
    """Endless loops, each in a session of its own, as programs of other users are."""
    running_loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(loops)
    ]
    try:
        yield
    finally:
        for process in running_loops:
            process.kill()
            process.wait()


def _short(figures: dict[str, float]) -> Figures:
    """The figures under names that do not hold the scenario's."""
    return {name.split(" at ")[0].split(",")[0]: round(value, 2) for name, value in figures.items()}


def _report(scenario: str, found: dict[str, list[Figures]]) -> None:
    print(f"\n{scenario}")
    for figure in found["mlxq"][0]:
        line = f"  {figure:12}"
        ours = [each[figure] for each in found["mlxq"]]
        for name, rounds in found.items():
            if figure not in rounds[0]:
                continue
            theirs = [each[figure] for each in rounds]
            line += f"  {name} {statistics.median(theirs):.2f}"
            if name != "mlxq" and all(theirs):
                ratios = [a / b if figure == "tokens/s" else b / a for a, b in zip(ours, theirs, strict=True)]
                line += f" ({statistics.median(ratios):.2f}: {min(ratios):.2f}-{max(ratios):.2f})"
        print(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="a copy without an end token is measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--busy", type=int, default=0, help="endless loops beside them")
    parser.add_argument("--preload", default="", help="value for LD_PRELOAD (Linux)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
