"""The pages that are not one table: overview, spend, health, home, and the frame around them."""
