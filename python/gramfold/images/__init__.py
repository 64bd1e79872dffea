"""Pictures to patches and back."""
