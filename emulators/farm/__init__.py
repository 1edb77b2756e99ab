"""A site's devices and their world, stepped; faults, commands and what became of them."""
