"""Robust PCA."""
