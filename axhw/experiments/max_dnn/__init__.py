"""MAx-DNN (arXiv 2506.21371): the right multiplier in every layer, filter and kernel."""
