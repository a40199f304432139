"""OminiX' `/v1/models`: status, load, unload and download."""
