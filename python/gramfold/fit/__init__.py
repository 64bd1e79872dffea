"""What every fit shares: arguments, inputs, what it reports while it runs."""
