"""Hardware with several multipliers, by mode or by column: its proof, its cost in each way, and what it adds."""
