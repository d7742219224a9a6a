"""`make test-real`: the tests over the wire on Apache Kafka, and the store on a second database."""
