"""Which rank, and what restarts agree on."""
