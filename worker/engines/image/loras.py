"""LoRA adapters of a transformer, applied for a request and removed again. mflux knows the names in their files."""

import contextlib
import io
from typing import Any

import mlx.core as mx
from mflux.models.common.lora.layer.dense_weight import dense_weight
from mflux.models.common.lora.layer.linear_lora_layer import LoRALinear
from mflux.models.common.lora.mapping.lora_loader import LoRALoader
from mlx.utils import tree_flatten, tree_unflatten


class LoraSet:
    """A transformer and the adapters that are applied to it."""

    def __init__(self, transformer: Any, targets: list[Any]) -> None:
        """`targets` are mflux' `LoRATarget`s of this family."""
        self._transformer = transformer
        self._targets = targets
        self._applied: list[tuple[str, float]] = []
        self._original: tuple[Any, Any] | None = None

    def apply(self, loras: list[tuple[str, float]]) -> None:
        """Apply these and no others. Raises ValueError for a file that does not fit; then none is applied."""
        if loras == self._applied:
            return
        self.remove()
        if not loras:
            return
        # The library wraps modules, and some files change weights: `remove` restores both.
        weights = tree_unflatten(tree_flatten(self._transformer.parameters()))
        self._original = (self._transformer.leaf_modules(), weights)
        paths, scales = [path for path, _ in loras], [scale for _, scale in loras]
        try:
            # The library prints.
            with contextlib.redirect_stdout(io.StringIO()):
                LoRALoader.load_and_apply_lora(
                    lora_mapping=self._targets,
                    transformer=self._transformer,
                    lora_paths=paths,
                    lora_scales=scales,
                    bake_lora=False,
                )
            self._check()
            mx.eval(self._transformer.parameters())
        except BaseException:
            self.remove()
            raise
        self._applied = list(loras)

    def _check(self) -> None:
        """The library compares only names: an adapter of another width would fail while an image is made."""
        for name, module in self._transformer.named_modules():
            if isinstance(module, LoRALinear):
                outputs, inputs = dense_weight(module.linear).shape
                if module.lora_A.shape[0] != inputs or module.lora_B.shape[-1] != outputs:
                    raise ValueError(f"{name} is {inputs} x {outputs} here")

    def remove(self) -> None:
        if self._original is not None:
            modules, weights = self._original
            self._transformer.update_modules(modules)
            self._transformer.update(weights)
            self._original, self._applied = None, []
