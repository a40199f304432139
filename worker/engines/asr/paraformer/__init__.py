"""Paraformer, after FunASR: audio to tokens and their times, all at once instead of one after the other.

Gao et al. 2022, "Paraformer: Fast and Accurate Parallel Transformer for Non-autoregressive End-to-End Speech
Recognition". It agrees with FunASR 1.4.16 to 1e-4 in log-probabilities (tests/engines/test_paraformer.py).
`recogniser.py` is the family's entry; the other modules are our own port of the network to MLX.
"""

from worker.engines.asr.paraformer.recogniser import Paraformer, load

__all__ = ["Paraformer", "load"]
