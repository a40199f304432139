"""The slots that models are loaded into, by the names that the catalog, the settings and clients use."""

LLM, EMBEDDING, ASR, TTS, IMAGE = "llm", "embedding", "asr", "tts", "image"
