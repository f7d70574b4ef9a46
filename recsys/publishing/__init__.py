"""Versioned recommendation tables: built, checked, flipped as a whole; read by the service without asking a server."""
