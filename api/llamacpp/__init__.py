"""The API of llama.cpp's server, beside that of OpenAI's shape."""
