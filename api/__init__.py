"""HTTP in, jobs out. It knows OpenAI's API and the job client; it never imports MLX or the worker."""
