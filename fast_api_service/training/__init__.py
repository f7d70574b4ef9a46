"""Training on demand: ask for it, and see how it went."""
