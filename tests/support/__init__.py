"""What tests share: servers, builders, worlds."""
