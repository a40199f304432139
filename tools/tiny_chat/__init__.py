"""How `models/tiny-chat` is made: the text it learns, its tokenizer, its network and its training."""
