"""Models, and fits that are under way, as files: their layout, and what may be in them."""
