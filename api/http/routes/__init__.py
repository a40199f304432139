"""The addresses of all routes, and the dialect of each."""
