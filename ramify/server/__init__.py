"""The HTTP server: OpenAI's interface over one engine, and the searches as one more field."""
