"""Processing elements around a multiplier: clocked circuits, each with its golden cycle model."""
