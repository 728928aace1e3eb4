"""Drafts and their verification: token trees, the shapes they grow in, and the rules that accept a path of one."""
