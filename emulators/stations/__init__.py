"""What stands between devices and a master, and what is known there."""
