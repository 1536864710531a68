"""Language models with mixtures of experts, in numpy: every weight matrix can be replaced by another operator."""
