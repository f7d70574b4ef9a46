"""What is shown where: the configuration of placements, and the rules of the shop. Pure logic; asks no server."""
