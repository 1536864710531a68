"""The study of arXiv 2602.10254: mixtures of experts on crossbars that share their periphery."""
