"""MLX-GUI's generate resource."""
