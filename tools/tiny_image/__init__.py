"""A Z-Image so small that it ships with mlxq: how it is built, drawn for and trained."""
