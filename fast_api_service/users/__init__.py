"""What is known of a user."""
