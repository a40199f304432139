"""The families of models that mlxq knows: one file per family, and one row each in `table.py`."""
