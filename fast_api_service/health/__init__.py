"""Whether the service lives, what it depends on, and what the pipelines last did."""
