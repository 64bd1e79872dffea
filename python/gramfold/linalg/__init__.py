"""Small dense algebra that several families use."""
