"""The terminal command: `python -m mlxq pull | list | rm | ps`. It talks to the running server by HTTP."""
