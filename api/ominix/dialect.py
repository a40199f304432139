"""The dialect of OminiX-API's resources. Their errors are OpenAI's."""

from api.openai.dialect import OpenAi

OMINIX = OpenAi("ominix")
