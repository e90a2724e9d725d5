"""A small reference venue: order gateway, one book a market, settlement on chain. One process, one core."""
