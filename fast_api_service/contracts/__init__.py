"""The endpoints of other recommender systems over this one's services, so that their clients need a new address only.

And a key: the originals ask for none; here it goes into the header `X-API-Key`, as everywhere.
"""
