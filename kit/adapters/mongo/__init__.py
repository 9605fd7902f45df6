"""The Docs port over MongoDB and compatible engines."""
