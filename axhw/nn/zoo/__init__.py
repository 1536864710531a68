"""Networks that come with axhw: one definition each, for the evaluator and the trainer alike, and trained weights."""
