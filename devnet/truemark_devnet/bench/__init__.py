"""Figures, each beside its baseline measured in the same run (`make bench`, `make bench ONLY=signing`)."""
