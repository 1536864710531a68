"""Netlists by search: Cartesian genetic programming over two-input gates, under limits on the error."""
