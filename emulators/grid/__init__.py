"""The feeders: who stands where, and their power flow."""
