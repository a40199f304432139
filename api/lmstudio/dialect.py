"""LM Studio's dialect: its errors are OpenAI's."""

from api.openai.dialect import OpenAi

LMSTUDIO = OpenAi("lmstudio")
