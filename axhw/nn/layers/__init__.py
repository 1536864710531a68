"""What the nodes of a network do, on real values and on codes."""
