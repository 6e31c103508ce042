"""What models write before they answer: prior knowledge against observation, and whether it fits the answer."""
