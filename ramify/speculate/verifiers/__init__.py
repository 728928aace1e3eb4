"""Rules that accept a path of a drafted tree, one per file."""
