"""`mlxq top`: what runs and waits, live, with keys to change it."""
