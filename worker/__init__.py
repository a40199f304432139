"""The one process that owns MLX: lanes that take jobs, slots that hold models, engines that run them."""
