"""MLX-GUI's system resource."""
