"""OminiX-API's dialect: speech over a WebSocket, voices."""
