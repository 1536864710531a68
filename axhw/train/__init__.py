"""Training of the shipped networks with PyTorch (extra ``train``)."""
