"""The dialect of mlxq's own resources. Their errors are OpenAI's."""

from api.openai.dialect import OpenAi

NATIVE = OpenAi("native")
