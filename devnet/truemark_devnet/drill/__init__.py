"""The drill: 19 January 2026 on a devnet, from the night to the last refund, with nothing but an operator's tools."""
