"""Devices on the network: tables, sockets, the pace of the steps, and a pilot brought up."""
