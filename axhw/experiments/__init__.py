"""Published experiments made again on our own hardware numbers, one package for each paper."""
