"""How families of models write reasoning and tool calls: a file per kind of writing, and one table."""
