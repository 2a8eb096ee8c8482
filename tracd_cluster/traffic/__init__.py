"""Who comes first when workers are short: classes of requests, and what each may cost."""
