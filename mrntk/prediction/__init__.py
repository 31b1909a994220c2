"""What the kernel says before training: learning curves in closed form and step by step, and where they stop to hold."""
