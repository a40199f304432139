"""MLX-GUI's `/v1/models`: install, and load, unload and health of a named model."""
