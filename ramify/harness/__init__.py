"""The evaluation harness: methods x problems x seeds x budgets, run once, journaled, tabled and reported."""
