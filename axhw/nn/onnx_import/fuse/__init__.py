"""Layers that exporters take apart, put together again: one layer, one coding when the network is quantised."""
