"""STARK keys at rest: those of the client, under the name that keepers use."""

from truemark.keys.keystore import BadKeystore, KeySource, environment, load, parse, save

__all__ = ["BadKeystore", "KeySource", "environment", "load", "parse", "save"]
