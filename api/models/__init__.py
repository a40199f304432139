"""Operations on models: list, search, install, load, unload and delete."""
