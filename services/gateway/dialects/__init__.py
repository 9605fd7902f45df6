"""One folder per public API. A dialect translates and contains no rules."""
