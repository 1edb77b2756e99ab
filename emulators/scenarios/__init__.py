"""Scenarios: what goes wrong at a site and when, and what must be seen, with a verdict."""
