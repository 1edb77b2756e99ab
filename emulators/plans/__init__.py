"""What a map hands its protocol's table: plain descriptions, one file a protocol, and nothing that runs."""
