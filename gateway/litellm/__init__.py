"""What a LiteLLM proxy was told, in our words: its config.yaml and its tables of keys, users and teams."""
