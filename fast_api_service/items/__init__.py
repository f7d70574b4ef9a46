"""Items and their neighbours."""
