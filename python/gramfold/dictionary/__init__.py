"""Dictionary learning."""
