"""What scripts/bench is made of: the work, the figures and their goals, the servers, and how all is shown."""
