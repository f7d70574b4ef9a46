"""What shoppers do: collected, acknowledged once stored."""
