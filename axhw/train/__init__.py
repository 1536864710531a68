"""Training with PyTorch (extra ``train``): in real values, with codes, and with approximate products.

`python -m axhw.train` trains a network of the zoo; `axhw.train.session.Session.retrain` trains one further through
product tables. Everything but `extra`, `finished`, `options`, `pace` and `recipe` imports PyTorch.
"""
