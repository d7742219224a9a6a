"""What operators look at: rules, dashboards, and Prometheus itself."""
