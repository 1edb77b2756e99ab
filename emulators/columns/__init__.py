"""Columns: arrays by name, and read-only views of them."""
