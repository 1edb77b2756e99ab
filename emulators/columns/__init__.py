"""Columns: arrays by name, and how a part of the devices sees them."""
