"""`/tokenize`, `/detokenize` and `/apply-template`."""
