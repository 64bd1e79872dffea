"""Files: where X lies in them, and how it is read."""
