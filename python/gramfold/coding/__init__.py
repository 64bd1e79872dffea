"""Sparse codes of rows in given dictionaries and bases."""
