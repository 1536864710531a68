"""What axhw claims about speed and accuracy, as comparisons that anyone can run."""
