"""Apache Kafka: how it is reached, its topics, and a broker of our own for developers."""
