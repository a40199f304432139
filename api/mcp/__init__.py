"""`/mcp`: the Model Context Protocol, by its official SDK. Tools make the same jobs as OpenAI's routes."""
