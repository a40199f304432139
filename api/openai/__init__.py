"""OpenAI's dialect: a folder per resource, with its router, schema and rendering."""
