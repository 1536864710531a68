"""What circuits compute: bit-parallel and timed simulation, product tables, error metrics and proofs."""
