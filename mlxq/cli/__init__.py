"""The verbs of the terminal command. They talk to the running server by HTTP."""
