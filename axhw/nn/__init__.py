"""Small integer networks in numpy: float and int8 inference with any product table in any layer."""
