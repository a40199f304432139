"""Hold our Paraformer against FunASR's answers in a folder that `tools.golden_paraformer --full FOLDER` made.

Prints the largest difference of every stage, and how long ours took: `python -m tools.compare_paraformer FOLDER`.
"""

import sys
import time
from pathlib import Path

import mlx.core as mx
import numpy as np

from tests.support.paraformer_checkpoint import RATE, sound
from worker.engines.asr.paraformer import load
from worker.engines.asr.paraformer.frontend import Frontend, read_cmvn
from worker.engines.asr.paraformer.model import load as load_network
from worker.engines.asr.transcription import Options
from worker.engines.weights import weight_bytes


def main(folder: Path) -> None:
    frontend = Frontend(*read_cmvn(folder / "am.mvn"))
    network = load_network(folder / "paraformer.safetensors")
    recogniser = load(folder)
    print(f"{network.sizes}, {weight_bytes(network) / 2**20:.0f} MiB")
    for path in sorted(folder.glob("answer-*.npz")):
        theirs = np.load(path)
        samples = sound(float(theirs["seconds"]), int(theirs["seed"]))
        features = frontend(samples)
        encoded = np.array(network.encoder(mx.array(features)[None])[0])
        weights, logprobs = network(features)
        began = time.monotonic()
        piece = recogniser.recognise(samples, Options(words=True), 0.0)
        seconds = time.monotonic() - began
        print(f"{path.stem}: {len(features)} frames, {len(logprobs)} tokens; largest differences:")
        ours = {"features": features, "encoded": encoded, "weights": weights, "logprobs": np.array(logprobs)}
        for name, numbers in ours.items():
            print(f"  {name}: {np.abs(numbers - theirs[name]).max():.1e}")
        # Without the rounding of FunASR's front end, which reckons in single precision and ours in double.
        from_theirs = np.array(network(theirs["features"])[1])
        print(f"  logprobs, from its features: {np.abs(from_theirs - theirs['logprobs']).max():.1e}")
        ids = ours["logprobs"].argmax(axis=-1)
        print(f"  equal: ids {bool((ids == theirs['ids']).all())}, text {piece.text == str(theirs['text'])}")
        print(f"  {seconds:.2f} s for {len(samples) / RATE:g} s of sound")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
