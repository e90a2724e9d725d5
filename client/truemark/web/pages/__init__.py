"""The explorer's pages, a room each: `router(site)` gives its routes."""
