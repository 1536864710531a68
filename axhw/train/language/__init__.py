"""Mixture-of-experts language models, trained with PyTorch on text as bytes.

`python -m axhw.train.language` trains one of `presets.PRESETS` and writes it as `axhw.lm` reads it.
"""
