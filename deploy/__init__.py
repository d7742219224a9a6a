"""What operators need to run Zeren."""
