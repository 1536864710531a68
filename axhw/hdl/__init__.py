"""Circuits: specs, golden models and Amaranth components. Knows nothing of synthesis, simulation or networks."""
