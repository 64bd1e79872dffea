"""PCA and truncated SVD."""
