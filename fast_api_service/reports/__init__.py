"""What recommendations brought, how models were trained, and what is configured."""
