"""The stack of docker-compose: what its servers are told, made from the registry and the settings."""
