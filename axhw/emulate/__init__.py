"""Bit-exact emulation of approximate arithmetic: matrix products through product tables."""
