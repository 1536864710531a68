"""The study of arXiv 2603.02633: language models whose experts are analog but for those that have to be digital."""
