"""A small reference SESP: it takes readings over HTTP, stores each once, and tells what it has stored."""
