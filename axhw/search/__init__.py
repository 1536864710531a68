"""Which multiplier in which layer, filter and kernel: assignments, their fast evaluation, and the search for them."""
