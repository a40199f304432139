# The API alone. The worker needs Metal, which no container has: it runs natively (see docker-compose.yml).
FROM python:3.11-slim
WORKDIR /app
COPY requirements-api.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements-api.lock

COPY config config
COPY jobs jobs
COPY mlxq mlxq
COPY api api
CMD ["python", "-m", "api"]
