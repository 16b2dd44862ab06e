"""Processes of this machine: how they are interrupted, and how they end."""
