"""Stories of the gateway, through which workers of other machines come."""
