"""The ``Clock`` port over the clock of the operating system."""
