"""MLX-GUI's discover resource."""
