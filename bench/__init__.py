"""Time, error and share of the machine's limit, ours beside the peers: `python -m bench nmf`."""
