"""Crossbars: weights as noisy conductances in tiles, their converters, and what time does to them."""
