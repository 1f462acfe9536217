"""What happens in the simulated sea: scenarios, and the scenes that they are made of."""
