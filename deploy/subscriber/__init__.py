"""An example of what another team runs: a subscriber of escalations that knows nothing but aiokafka."""
