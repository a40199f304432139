"""The server under test, as tests/clients/test_suites.py started it, and its models."""

import os

#: What clients of Anthropic's and Ollama's APIs take as their address.
ROOT = os.environ["MLXQ_URL"]
#: What clients of OpenAI's take.
URL = ROOT + "/v1"
#: Any key will do where API_KEYS is not set, but most clients refuse to start without one.
KEY = "any"
#: A trained model of 0.9 M parameters: it knows capitals and calls tools like get_weather.
CHAT = "tiny-chat"
#: A model with random weights: it says nothing but what a grammar makes it say.
RANDOM = "first"
EMBEDDING = "all-MiniLM-L6-v2"
DIMENSIONS = 384
