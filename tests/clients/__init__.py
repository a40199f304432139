"""What clients see of the whole product."""
