"""Cache of completions: what a model answered once is not asked for again."""
