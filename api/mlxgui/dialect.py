"""The dialect of MLX-GUI's resources. Their errors are OpenAI's."""

from api.openai.dialect import OpenAi

MLXGUI = OpenAi("mlxgui")
