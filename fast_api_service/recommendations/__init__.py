"""What is shown now: stored lists, the last events, stock and purchases, put together per request."""
