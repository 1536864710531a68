"""Reports: figures of designs and one self-contained HTML page that compares them."""
