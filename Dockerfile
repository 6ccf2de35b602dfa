# One image for every service: `docker build -t firsthour:local .` Needs BuildKit (Docker 23 has it by default).
# Behind a mirror or a proxy with its own certificate: see "Building behind a mirror" in docs/docker.md.
ARG PYTHON=python:3.11.15-slim-bookworm@sha256:d29f48a31a8b408ed19272ca1e7b10ebae13b240a27e862d3d4217c528e2e0c3

# --- the locked dependencies; rebuilt only when the lock changes
FROM ${PYTHON} AS dependencies
RUN python -m venv --without-pip /venv
COPY locks/image.txt /src/locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca \
    pip --python /venv/bin/python install --no-compile --only-binary :all: --require-hashes -r /src/locks/image.txt

# --- what of them is needed to run, compiled once, without a look at the sources' times
FROM dependencies AS runtime
RUN rm -rf /venv/bin/uv-build /venv/lib/python3.11/site-packages/uv_build* \
    # 45 MB of place and carrier names that only the geocoder reads; of them we read the names of countries alone
    && cd /venv/lib/python3.11/site-packages/phonenumbers && rm -rf carrierdata tzdata \
    && find geodata -type f ! -name locale.py -delete && cd / \
    && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

# --- our own code, built as the wheel that it is everywhere else
FROM dependencies AS code
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY distribution distribution
COPY embedded embedded
COPY shared shared
COPY demo demo
COPY services services
RUN PATH=/venv/bin:$PATH pip --python /venv/bin/python wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
    && pip --python /venv/bin/python install --quiet --no-deps --no-index --no-compile --target /app /dist/*.whl \
    && rm -rf /app/firsthour/embedded \
    && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /app

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Firsthour" \
      org.opencontainers.image.description="Every lead followed up within its first hour" \
      org.opencontainers.image.licenses="Apache-2.0"
# The folders belong to the user here, because a new named volume takes its owner from the image.
RUN groupadd --gid 10001 firsthour \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin firsthour \
    && install -d -o firsthour -g firsthour -m 0700 /state /state/spool /secrets /login \
        /logins/setup /logins/ingest /logins/scoring /logins/nurture \
    && install -d -o firsthour -g firsthour -m 0755 /logins/kafka
ENV PATH=/app/bin:/venv/bin:$PATH \
    PYTHONPATH=/app:/app/firsthour \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FIRSTHOUR_CONFIG=/config \
    FIRSTHOUR_STATE=/state \
    FIRSTHOUR_HOST=0.0.0.0
COPY --from=runtime /venv /venv
COPY deploy/compose/ready.py deploy/compose/passwords.py /usr/local/lib/firsthour/
COPY --from=code /app /app
USER 10001:10001
EXPOSE 8080 8081 8082
ENTRYPOINT ["firsthour"]
