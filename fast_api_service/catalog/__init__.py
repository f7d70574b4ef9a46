"""What the shop sells: products with their variants, and the tree of categories."""
