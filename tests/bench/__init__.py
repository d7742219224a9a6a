"""Benchmarks: figures of the kit on the embedded servers; apart from the tests."""
