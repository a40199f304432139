"""Formats of reasoning and tool calls: a file per kind of format, and a table of families."""
