"""What tests need of the kit: stores and brokers in memory, and given-when-then."""
