"""uvicorn's protocols with bounds, and clients that have left."""
