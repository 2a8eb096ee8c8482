"""Everything that can change while people work, one thing after another, and what it costs them: nothing."""
