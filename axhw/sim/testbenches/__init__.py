"""cocotb testbenches: they run inside a simulator and replay prepared vectors."""
