"""Ranking documents by a query, in the shapes of Jina, Cohere and TEI."""
