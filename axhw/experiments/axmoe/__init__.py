"""The AxMoE study (arXiv 2605.04754) made again: approximate multipliers inside networks with experts."""
