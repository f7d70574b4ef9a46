"""The worker: what happens every few seconds between two pipeline runs, beside the request path."""
