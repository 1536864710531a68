"""LLVM, or None where llvmlite is not installed: numpy alone then does the work."""

from __future__ import annotations

try:
    from llvmlite import binding, ir
except ImportError:
    binding = ir = None

__all__ = ["binding", "ir"]
