"""What lies between a device and its masters: links, and filters of whole messages."""
