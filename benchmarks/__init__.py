"""Measurements of mlxq against `mlx_lm.server` and the bare `BatchGenerator`, side by side in one run."""
