"""Where rows come from, and how a pass goes over them."""
