"""Vectors of texts by the encoder of a configuration, on this machine or behind an endpoint."""
