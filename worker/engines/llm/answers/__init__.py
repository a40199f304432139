"""How tokens become an answer: text, reasoning, tool calls, log-probabilities."""
