"""What a request says about its job: how long its client waits, its class, who is told of its end."""
