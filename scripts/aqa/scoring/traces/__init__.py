"""What models write before they answer: prior knowledge, observation, and whether it fits the answer."""
