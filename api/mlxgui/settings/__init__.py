"""MLX-GUI's settings resource."""
