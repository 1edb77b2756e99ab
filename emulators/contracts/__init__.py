"""What the rooms of the farm ask of each other: small contracts, and nothing that runs."""
