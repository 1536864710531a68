"""Labelled images for networks: the published data sets, read from their official files, and the user's own."""
