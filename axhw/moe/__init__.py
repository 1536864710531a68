"""What Mixture-of-Experts networks cost: multiplications that are really done, energy, memory, and arrays of PEs."""
