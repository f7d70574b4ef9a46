"""The two places data lives: Postgres and the object store."""
