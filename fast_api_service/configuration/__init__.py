"""The configuration of placements, in versions."""
