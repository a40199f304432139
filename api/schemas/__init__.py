"""The shapes of requests and responses, one module per resource. They know no Redis and no model."""
