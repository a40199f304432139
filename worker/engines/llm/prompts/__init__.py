"""How a request becomes the tokens of its prompts: conversations, templates, tokenizers."""
