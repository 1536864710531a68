"""The designs that come with axhw: all families and evolved circuits, proved and costed on the embedded library."""
