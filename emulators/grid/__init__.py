"""The feeders: who is connected where, and the power flow by phase."""
