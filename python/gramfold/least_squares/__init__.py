"""Rows solved against a fixed factor: the half-step of every alternating model."""
