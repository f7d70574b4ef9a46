"""Whom the shop sells to, and what they bought."""
