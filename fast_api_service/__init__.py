"""The recommendation service: thin, one package per domain, each endpoints / service / repository / schemas."""
