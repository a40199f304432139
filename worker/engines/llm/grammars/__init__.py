"""What an answer may be: JSON schemas and grammars, as tokens that may be sampled."""
