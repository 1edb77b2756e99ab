"""What the REST API and the reference SESP share as servers of HTTP: bounds, who may ask, and the page to try them."""
