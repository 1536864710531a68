"""The multiplier families, one file each."""
