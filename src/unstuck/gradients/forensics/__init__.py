"""Which mistake makes exactly the gradient that somebody has."""
