"""MLX-GUI's downloads resource."""
