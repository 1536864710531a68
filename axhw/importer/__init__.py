"""Somebody else's multiplier made a design: circuits from Verilog, BLIF, CGP chromosomes and gates, and tables."""
