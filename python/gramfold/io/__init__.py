"""Rows that lie in files or elsewhere outside an array: a reader a format, and segments read one ahead."""
