"""From columns to wire values and bytes, and back."""
