"""Files: models saved and loaded."""
