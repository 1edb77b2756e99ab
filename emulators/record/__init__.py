"""The truth ledger."""
