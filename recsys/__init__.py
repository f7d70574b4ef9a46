"""A recommender suite for an online shop: data preparation, models, publishing, and the stack around them."""

__version__ = "0.1.0"
