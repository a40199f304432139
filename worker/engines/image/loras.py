"""LoRA adapters on a transformer, put on for a request and taken off again. mflux knows the names in their files."""

import contextlib
import io
from typing import Any

import mlx.core as mx
from mflux.models.common.lora.layer.dense_weight import dense_weight
from mflux.models.common.lora.layer.linear_lora_layer import LoRALinear
from mflux.models.common.lora.mapping.lora_loader import LoRALoader
from mlx.utils import tree_flatten, tree_unflatten


class Wardrobe:
    """A transformer and the adapters it wears."""

    def __init__(self, transformer: Any, targets: list[Any]) -> None:
        """`targets` are mflux' `LoRATarget`s of this family."""
        self._transformer = transformer
        self._targets = targets
        self._worn: list[tuple[str, float]] = []
        self._bare: tuple[Any, Any] | None = None

    def wear(self, loras: list[tuple[str, float]]) -> None:
        """Wear these and no others. Raises ValueError for a file that does not fit; then none is worn."""
        if loras == self._worn:
            return
        self.take_off()
        if not loras:
            return
        # Modules are wrapped, and some files change weights themselves: both can be put back as they were.
        weights = tree_unflatten(tree_flatten(self._transformer.parameters()))
        self._bare = (self._transformer.leaf_modules(), weights)
        paths, scales = [path for path, _ in loras], [scale for _, scale in loras]
        try:
            # The library tells a terminal what it does.
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
            self.take_off()
            raise
        self._worn = list(loras)

    def _check(self) -> None:
        """The library looks at names only: one of another width would fail in the middle of a picture."""
        for name, module in self._transformer.named_modules():
            if isinstance(module, LoRALinear):
                outputs, inputs = dense_weight(module.linear).shape
                if module.lora_A.shape[0] != inputs or module.lora_B.shape[-1] != outputs:
                    raise ValueError(f"{name} is {inputs} x {outputs} here")

    def take_off(self) -> None:
        if self._bare is not None:
            modules, weights = self._bare
            self._transformer.update_modules(modules)
            self._transformer.update(weights)
            self._bare, self._worn = None, []
