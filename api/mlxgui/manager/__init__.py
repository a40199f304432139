"""MLX-GUI's manager resource."""
